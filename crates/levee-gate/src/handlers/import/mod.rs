//! Many outlets at once: a document a line, or a row a document, answered by a line each.

mod sheet;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::header::CONTENT_TYPE;
use levee_api::outlet::{OutletDocument, compile};
use levee_api::port::{AskBody, Priority, Reply as Said};
use levee_api::problem::Code;
use levee_api::strict::parse;
use levee_api::types::{Command, Outcome, OutletId, PutOutlet, Refusal};
use levee_api::wire::{ImportLineBody, ImportOutcome};
use tokio::time::{Instant, sleep};

use self::sheet::Sheet;
use crate::call::{Call, unexpected};
use crate::desk::Waiting;
use crate::lines::{self, Limits, Line, Lines, Rows, Work};
use crate::reply::{Answer, NDJSON, Reply};
use crate::serve::CSV;
use crate::trouble::Trouble;
use crate::worker::{Hub, Worker};

/// Most lines of one import; more outlets are imported in several.
const LINES_MAX: usize = 300_000;
/// Longest line in bytes: a document has at most 32 KiB, and blanks do not count.
const LINE_LEN_MAX: usize = 64 * 1024;
/// Most outlets of one import that are with the engine at the same time: they go before what users
/// do, so they go a few at a time.
const WINDOW: usize = 256;
/// Pieces of answers that wait for a client that sends everything before it reads anything: 32 MiB,
/// as many as a good import has.
const PIECES_MAX: usize = 1_024;
/// From the first to the last byte of an import.
const BODY_TIME_MAX: Duration = Duration::from_secs(3_600);
/// Most imports of one gate at the same time.
const IMPORTS_MAX: usize = 2;

/// An engine that is full has room again soon: one import is worth a wait.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// For so long a line is sent again.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// `POST /v1/outlets/import`
pub(crate) async fn import(call: &mut Call) -> Answer {
    let hub = Arc::clone(&call.worker.hub);
    if hub.imports.fetch_add(1, Relaxed) >= IMPORTS_MAX {
        hub.imports.fetch_sub(1, Relaxed);
        return Err(Trouble::new(Code::Overloaded).with_detail("Too many imports are under way."));
    }
    let limits = Limits {
        lines_max: LINES_MAX,
        window: WINDOW,
        pieces_max: PIECES_MAX,
        piece_time_max: hub.config.body_timeout,
        body_time_max: BODY_TIME_MAX,
    };
    let running = Running(hub);
    let work = Import { worker: Rc::clone(&call.worker) };
    let kind = call.header(&CONTENT_TYPE)?.unwrap_or_default();
    let is_sheet =
        kind.get(..CSV.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(CSV.as_bytes()));
    let body = call.body.take();
    let answer = if is_sheet {
        let rows = Rows::new(Sheet::default(), LINE_LEN_MAX);
        lines::answer(body, rows, work, limits, running)
    } else {
        lines::answer(body, Lines::new(LINE_LEN_MAX), work, limits, running)
    };
    Ok(Reply::stream(NDJSON, answer))
}

/// Counts an import until it ends, however it does.
struct Running(Arc<Hub>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.imports.fetch_sub(1, Relaxed);
    }
}

struct Import {
    worker: Rc<Worker>,
}

/// A line that is under way.
struct Due {
    line: u64,
    /// As far as it can be told.
    id: Option<String>,
    put: Result<Putting, Trouble>,
}

/// An outlet that is with the engine.
struct Putting {
    put: Box<PutOutlet>,
    document: Box<OutletDocument>,
    waiting: Waiting,
}

/// What became of it.
struct Put {
    outcome: ImportOutcome,
    version: Option<u32>,
    seq: Option<u64>,
}

impl Work for Import {
    type Due = Due;

    async fn begin(&mut self, Line { number, text }: Line) -> Due {
        let mut id = None;
        let put = text.and_then(|text| {
            let document: OutletDocument = parse(&text)?;
            id.clone_from(&document.id);
            self.put(document)
        });
        Due { line: number, id, put }
    }

    async fn finish(&mut self, due: Due, out: &mut Vec<u8>) {
        let Due { line, id, put } = due;
        let outcome = match put {
            Ok(putting) => self.settle(putting).await,
            Err(trouble) => Err(trouble),
        };
        self.write(line, id, outcome, out);
    }

    fn write_trouble(&mut self, trouble: Trouble, out: &mut Vec<u8>) {
        self.write(0, None, Err(trouble), out);
    }
}

impl Import {
    fn put(&self, document: OutletDocument) -> Result<Putting, Trouble> {
        let id = document.id.as_deref().ok_or_else(|| Trouble::field("id", "is needed"))?;
        let id = OutletId::new(id)
            .ok_or_else(|| Trouble::field("id", "must be 1 to 64 of a-z, 0-9 and -"))?;
        let put = Box::new(compile(&id, document.clone())?);
        let waiting = self.ask(&put);
        Ok(Putting { put, document: Box::new(document), waiting })
    }

    fn ask(&self, put: &PutOutlet) -> Waiting {
        let put = Command::PutOutlet(Box::new(put.clone()));
        self.worker.ask(Priority::Status, AskBody::Command(put))
    }

    async fn settle(&self, putting: Putting) -> Result<Put, Trouble> {
        let Putting { put, document, mut waiting } = putting;
        let until = Instant::now() + RETRY_MAX;
        let said = loop {
            match self.worker.settle(waiting).await {
                Err(trouble) if trouble.code() == Code::Overloaded && Instant::now() < until => {
                    sleep(RETRY_EVERY).await;
                    waiting = self.ask(&put);
                }
                said => break said?,
            }
        };
        let outlets = self.worker.outlets();
        match said {
            Said::Done { seq, outcome: Outcome::OutletPut { outlet, version }, .. } => {
                outlets.put(outlet, version, put.id, &document)?;
                let outcome =
                    if version == 1 { ImportOutcome::Created } else { ImportOutcome::Replaced };
                Ok(Put { outcome, version: Some(version), seq: Some(seq) })
            }
            Said::Refused(Refusal::Unchanged) => {
                let version = outlets.by_id(put.id.as_str()).map(|listing| listing.version);
                Ok(Put { outcome: ImportOutcome::Unchanged, version, seq: None })
            }
            Said::Refused(refusal) => Err(refusal.into()),
            other => Err(unexpected(&other)),
        }
    }

    fn write(&self, line: u64, id: Option<String>, put: Result<Put, Trouble>, out: &mut Vec<u8>) {
        let mut body = ImportLineBody {
            line,
            status: 200,
            id,
            outcome: None,
            version: None,
            seq: None,
            problem: None,
        };
        match put {
            Ok(Put { outcome, version, seq }) => {
                body.status = if outcome == ImportOutcome::Created { 201 } else { 200 };
                (body.outcome, body.version, body.seq) = (Some(outcome), version, seq);
            }
            Err(trouble) => {
                body.status = trouble.code().status();
                body.problem = Some(trouble.problem(self.worker.request_id()));
            }
        }
        serde_json::to_writer(&mut *out, &body).expect("a line has only string keys");
        out.push(b'\n');
    }
}
