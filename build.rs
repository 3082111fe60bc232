//! Links what has to run before Rust's library does into the program.

fn main() {
    const SOURCE: &str = "native/closed_output.c";
    println!("cargo::rerun-if-changed={SOURCE}");
    for object in cc::Build::new().file(SOURCE).compile_intermediates() {
        println!("cargo::rustc-link-arg-bins={}", object.display());
    }
}
