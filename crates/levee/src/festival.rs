//! stub
use crate::Ending;
use anyhow::Result;
#[derive(clap::Args)]
pub(crate) struct Args {}
pub(crate) fn run(_args: &Args) -> Result<Ending> {
    Ok(Ending::Good)
}
