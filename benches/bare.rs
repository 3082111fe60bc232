//! What reading alone costs, to hold closecheck against: `cargo bench --bench bare -- libpcap big.pcap`.
//!
//! `libpcap` counts packets in libpcap's own loop, `gunzip` and `unzstd` count the bytes that the decompressors
//! give that closecheck uses.
#![expect(clippy::print_stdout, reason = "the count is what its caller reads")]

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// What closecheck reads at a time, compressed and not.
const COMPRESSED: usize = 1 << 17;
const BUFFER: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let [what, path] = &arguments[..] else { return Ok(()) };
    let compressed = || File::open(path).map(|file| BufReader::with_capacity(COMPRESSED, file));
    let count = match what.as_str() {
        "libpcap" => packets(path)?,
        "gunzip" => bytes(MultiGzDecoder::new(compressed()?))?,
        "unzstd" => bytes(zstd::Decoder::with_buffer(compressed()?)?)?,
        other => return Err(format!("{other} is not libpcap, gunzip or unzstd").into()),
    };
    println!("{count}");
    Ok(())
}

fn packets(path: &str) -> Result<u64, pcap::Error> {
    let mut count = 0;
    pcap::Capture::from_file(path)?.for_each(None, |_| count += 1)?;
    Ok(count)
}

fn bytes(mut input: impl Read) -> Result<u64, std::io::Error> {
    let mut buffer = vec![0; BUFFER];
    let mut count = 0;
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(count),
            read => count += read as u64,
        }
    }
}
