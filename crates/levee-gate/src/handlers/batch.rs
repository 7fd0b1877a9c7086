//! Claims in batches: a claim a line, answered by a line each.

use std::rc::Rc;
use std::time::Duration;

use levee_api::problem::Code;
use levee_api::pseudonym::request_key;
use levee_api::strict::parse;
use levee_api::wire::ClaimRequest;

use crate::call::Call;
use crate::directory::Entry;
use crate::handlers::claims::{Asked, Attempt};
use crate::json;
use crate::lines::{self, LINE_LEN_MAX, Limits, Line, Lines, Work};
use crate::reply::{Answer, NDJSON, Reply};
use crate::trouble::Trouble;
use crate::worker::Worker;

/// Most lines of one batch.
const LINES_MAX: usize = 10_000;
/// Most claims of one batch that are with the engine at the same time.
const WINDOW: usize = 1_024;
/// Most batches of one worker at the same time; each may keep some megabytes.
const BATCHES_MAX: usize = 32;
/// From the first to the last byte of a batch.
const BODY_TIME_MAX: Duration = Duration::from_secs(300);

/// `POST /v1/campaigns/{id}/claims/batch`
pub(crate) async fn claim_batch(call: &mut Call) -> Answer {
    // A batch to no campaign is one error, not thousands.
    call.worker.campaign(call.param()).await?;
    let running = &call.worker.batches;
    if running.get() >= BATCHES_MAX {
        return Err(Trouble::new(Code::Overloaded).with_detail("Too many batches are under way."));
    }
    running.set(running.get() + 1);
    let running = Running(Rc::clone(&call.worker));
    let batch = Batch {
        worker: Rc::clone(&call.worker),
        campaign: call.param().to_owned(),
        key_id: call.key_id().to_owned(),
    };
    let limits = Limits {
        lines_max: LINES_MAX,
        window: WINDOW,
        // As many as a batch can have, so that sending one never waits.
        pieces_max: LINES_MAX + 2,
        piece_time_max: call.worker.hub.config.body_timeout,
        body_time_max: BODY_TIME_MAX,
    };
    let cut = Lines::new(LINE_LEN_MAX);
    Ok(Reply::stream(NDJSON, lines::answer(call.body.take(), cut, batch, limits, running)))
}

/// Counts a batch until it ends, however it does.
struct Running(Rc<Worker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.batches.set(self.0.batches.get() - 1);
    }
}

struct Batch {
    worker: Rc<Worker>,
    campaign: String,
    key_id: String,
}

impl Work for Batch {
    type Due = Result<Box<Attempt>, Trouble>;

    async fn begin(&mut self, line: Line) -> Self::Due {
        let asked = self.asked(&line.text?)?;
        let entry = self.worker.campaign(&self.campaign).await?;
        self.at_door(entry, asked)
    }

    async fn finish(&mut self, due: Self::Due, out: &mut Vec<u8>) {
        let outcome = match due {
            Err(trouble) => Err(trouble),
            Ok(attempt) => attempt.settle(&self.worker).await,
        };
        match outcome {
            Ok((facts, repeated)) => {
                let status: &[u8] =
                    if repeated { b"{\"status\":200," } else { b"{\"status\":201," };
                out.extend_from_slice(status);
                json::put_claim_fields(&facts, &self.worker.hub.ports.codes, out);
                out.extend_from_slice(b"}\n");
            }
            Err(trouble) => self.write_trouble(trouble, out),
        }
    }

    fn write_trouble(&mut self, trouble: Trouble, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"status\":");
        json::put_number(u64::from(trouble.code().status()), out);
        out.extend_from_slice(b",\"problem\":");
        out.extend_from_slice(&trouble.body(self.worker.request_id()));
        out.extend_from_slice(b"}\n");
    }
}

impl Batch {
    fn at_door(&self, entry: Rc<Entry>, asked: Asked) -> Result<Box<Attempt>, Trouble> {
        let pass = asked.claim.pass.as_ref().map(|pass| pass.as_str().as_bytes());
        let admitted = self.worker.admit_claim(&entry, asked.user, pass)?;
        Ok(Box::new(Attempt::new(&self.worker, entry, asked, admitted)))
    }

    fn asked(&self, line: &[u8]) -> Result<Asked, Trouble> {
        let claim: ClaimRequest = parse(line)?;
        let request = claim.idempotency_key.as_ref();
        let request = request.map(|key| request_key(&self.key_id, key.as_str()));
        let user = self.worker.hub.ports.pseudonyms.of(claim.user_id.as_str());
        Ok(Asked { claim, user, request })
    }
}
