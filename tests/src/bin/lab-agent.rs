//! Starts processes and moves files for the harness; see `ovum_tests::agent`. Its standard input is the stream to the
//! harness, in both directions.

fn main() -> std::io::Result<()> {
    ovum_tests::agent::serve()
}
