//! Makes a capture and prints the truth about it: `cargo bench --bench generate -- --out big.pcap`.
//!
//! The name decides on the compression: `.gz` and `.zst`.
#![expect(clippy::print_stdout, reason = "the truth is what its caller reads")]

mod synthetic;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Parser;
use flate2::write::GzEncoder;
use synthetic::{Format, Plan, Truth, Writer, generate};

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    plan: Plan,
    /// How the capture is stored
    #[arg(long, value_enum, default_value = "pcap")]
    format: Format,
    /// Where to; without it, nothing is done
    #[arg(long)]
    out: Option<PathBuf>,
    /// What cargo bench adds
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> io::Result<()> {
    let Arguments { plan, format, out, .. } = Arguments::parse();
    let Some(path) = out else { return Ok(()) };
    let file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    let truth = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let (truth, out) =
                write(&plan, format, GzEncoder::new(file, flate2::Compression::new(6)))?;
            out.finish()?.flush()?;
            truth
        }
        Some("zst") => {
            let (truth, out) = write(&plan, format, zstd::Encoder::new(file, 3)?)?;
            out.finish()?.flush()?;
            truth
        }
        _ => {
            let (truth, mut out) = write(&plan, format, file)?;
            out.flush()?;
            truth
        }
    };
    print!("{truth}");
    Ok(())
}

fn write<W: Write>(plan: &Plan, format: Format, out: W) -> io::Result<(Truth, W)> {
    let mut writer = Writer::new(format, out)?;
    let truth = generate(plan, &mut writer)?;
    Ok((truth, writer.finish()))
}
