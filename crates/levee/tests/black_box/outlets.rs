//! Outlets from files into a real server, and what a restart leaves of them.

use std::fmt::Write;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{BINARY, Place, SMALL_SEGMENTS, levee, path, text};

fn document(id: &str, stations: u32) -> Value {
    json!({
        "id": id, "brand": "dev", "vendor": "v", "name": "N", "lat": 31.2, "lng": 121.4,
        "stations": stations, "minutes_per_unit": 1.5, "pos": {"sandbox": true},
        "menu": [{"sku": "a", "name": "A", "category": "tea", "price_minor": 1900}],
    })
}

#[test]
fn a_file_is_imported_again_and_survives_a_restart() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    let (file, address) = (place.beside("outlets.ndjson"), server.name().to_owned());
    let write = |stations_of_7: u32, last: &str| {
        let mut lines = String::new();
        for number in 0..2_000 {
            let stations = if number == 7 { stations_of_7 } else { 2 };
            let _ = writeln!(lines, "{}", document(&format!("o-{number}"), stations));
        }
        fs::write(&file, lines + last).expect("written");
    };
    let import = |address: &str| {
        let output = levee(&[
            "outlets",
            "import",
            path(&file),
            "--server",
            address,
            "--key",
            "dev-operator",
            "--json",
        ]);
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let counts = ["created", "replaced", "unchanged", "failed"].map(|n| summary[n].as_u64());
        (output.status.code(), counts.map(Option::unwrap_or_default), text(&output))
    };
    write(2, "");
    let (status, counts, said) = import(&address);
    assert_eq!((status, counts), (Some(0), [2_000, 0, 0, 0]), "{said}");
    write(3, &format!("{}\n{{\"id\":\"x\"", document("o-2000", 0)));
    let (status, counts, said) = import(&address);
    assert_eq!((status, counts), (Some(1), [0, 1, 1_999, 2]), "{said}");
    assert!(said.contains("line 2001 (o-2000): stations: must be from 1 to 10000"), "{said}");
    assert!(said.contains("line 2002: "), "{said}");

    drop(server);
    let server = place.start();
    write(3, "");
    let (status, counts, said) = import(server.name());
    assert_eq!((status, counts), (Some(0), [0, 0, 2_000, 0]), "{said}");
    drop(server);
    place.audit_is_clean();
}

#[test]
fn a_spreadsheet_comes_through_a_pipe() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    let sheet = "id,brand,vendor,name,lat,lng,stations,minutes_per_unit,pos.sandbox,menu\n\
                 a,dev,v,N,31.2,121.4,2,1.5,true,[]\n\
                 b,dev,v,N,north,121.4,2,1.5,true,[]\n";
    let mut command = Command::new(BINARY);
    let arguments = ["outlets", "import", "-", "--format", "csv", "--key", "dev-operator"];
    command.args(arguments).args(["--server", server.name()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut input = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, sheet.as_bytes()).expect("taken");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1 created, 0 replaced, 0 unchanged, 1 failed"), "{said}");
    assert!(said.contains("line 3: lat: "), "{said}");
}

#[test]
fn what_cannot_be_imported_is_said() {
    let place = Place::new(SMALL_SEGMENTS);
    let server = place.start();
    let file = place.beside("outlets.txt");
    fs::write(&file, "").expect("written");
    let check = |arguments: &[&str], status: i32, says: &str| {
        let all = [&["outlets", "import"], arguments, &["--server", server.name()]].concat();
        let output = levee(&all);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    };
    let key = ["--key", "dev-operator"];
    check(&[&[path(&file)], &key[..]].concat(), 3, "--format");
    check(&[&["-"], &key[..]].concat(), 3, "--format");
    check(&[&["/nonexistent.csv"], &key[..]].concat(), 3, "/nonexistent.csv");
    let csv = [path(&file), "--format", "csv"];
    check(&[&csv[..], &["--key", "dev-app"]].concat(), 3, "403 forbidden");
    check(&[&csv[..], &key[..]].concat(), 0, "0 created");
}
