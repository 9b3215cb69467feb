fn main() {
    // The triple that components are precompiled for, without this machine's CPU features.
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=ORCH_TARGET={target}");
    println!("cargo:rerun-if-changed=build.rs");
}
