//! A scaler over three gates that each use 701 of 1,000 sockets, for clients in other languages to
//! be tried against. Says where it listens, and ends when its input does.

use std::io::{self, Read};
use std::net::TcpListener;
use std::sync::Arc;

use levee_api::intake::{GateReport, Intake};
use levee_link::scaler::Scaler;

fn main() -> io::Result<()> {
    let intake = Arc::<Intake>::default();
    for region in ["east", "east", "west"] {
        let report = GateReport {
            region: region.to_owned(),
            connections: 701,
            connections_max: 1_000,
            ..GateReport::default()
        };
        intake.report(intake.register_gate(), report);
    }
    let scaler = Scaler::start(TcpListener::bind("127.0.0.1:0")?, intake)?;
    println!("the scaler listens on {}", scaler.local_addr());
    io::stdin().read_to_end(&mut Vec::new())?;
    scaler.stop();
    Ok(())
}
