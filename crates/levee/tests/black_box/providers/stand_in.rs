//! A payment provider on loopback: its books, and a socket. How it speaks is in `wires.rs`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use super::wires;

/// Which provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Alipay,
    Wechat,
    Stripe,
}

/// One payment in its books.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    /// Its own number.
    pub(crate) trade: String,
    pub(crate) amount: u64,
    pub(crate) is_paid: bool,
    pub(crate) is_closed: bool,
    /// By our number: how much, and whether the user has it.
    pub(crate) refunds: Vec<(String, u64, bool)>,
}

impl Payment {
    pub(crate) fn refund(&self, number: &str) -> Option<&(String, u64, bool)> {
        self.refunds.iter().find(|(known, ..)| known == number)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    /// By our number.
    pub(crate) payments: BTreeMap<String, Payment>,
    /// What was asked, in order.
    pub(crate) asked: Vec<String>,
    /// What was asked in a way that this provider would not take.
    pub(crate) wrong: Vec<String>,
    /// Answers to Stripe's repeats.
    pub(crate) keys: BTreeMap<String, String>,
    /// When it was asked anything, in order.
    pub(crate) asked_at: Vec<Instant>,
    /// It answers nothing but that it cannot.
    pub(crate) is_down: bool,
    /// So many refunds are made, and answered with a fault.
    pub(crate) lost_refunds: u32,
    /// Refunds stay on their way until the test says otherwise.
    pub(crate) slow_refunds: bool,
}

impl Books {
    /// Makes a payment, once.
    pub(crate) fn make(&mut self, number: &str, amount: u64) -> Payment {
        let trade = format!("pi_{}", self.payments.len() + 1);
        let new = Payment { trade, amount, is_paid: false, is_closed: false, refunds: Vec::new() };
        self.payments.entry(number.to_owned()).or_insert(new).clone()
    }

    /// Gives money back, once under each number; whether the answer gets lost.
    pub(crate) fn give_back(&mut self, payment: &str, number: &str, amount: u64) -> bool {
        let is_done = !self.slow_refunds;
        let known = self.payments.get_mut(payment).expect("a payment that is known");
        if known.refund(number).is_none() {
            known.refunds.push((number.to_owned(), amount, is_done));
        }
        let is_lost = self.lost_refunds > 0;
        self.lost_refunds -= u32::from(is_lost);
        is_lost
    }
}

/// What came in.
pub(crate) struct Request {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in small letters.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What goes out.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

pub(crate) struct StandIn {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    books: Arc<Mutex<Books>>,
}

impl StandIn {
    pub(crate) fn open(kind: Kind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let provider = Self { kind, url, books: Arc::default() };
        let books = Arc::clone(&provider.books);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let books = Arc::clone(&books);
                thread::spawn(move || serve(stream, kind, &books));
            }
        });
        provider
    }

    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("no panic")
    }

    /// One payment.
    pub(crate) fn payment(&self, number: &str) -> Payment {
        self.books().payments.get(number).cloned().expect("it was made")
    }

    pub(crate) fn change(&self, number: &str, change: impl FnOnce(&mut Payment)) {
        change(self.books().payments.get_mut(number).expect("it was made"));
    }
}

fn serve(stream: TcpStream, kind: Kind, books: &Mutex<Books>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    while let Some(request) = read(&mut reader) {
        let Answer { status, headers, body } = {
            let mut books = books.lock().expect("no panic");
            books.asked_at.push(Instant::now());
            if books.is_down {
                wires::unavailable()
            } else {
                wires::answer(kind, &mut books, &request)
            }
        };
        let length = body.len();
        let mut text = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if writer.write_all(format!("{text}\r\n{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().expect("a length"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8(body).ok()? })
}
