//! `levee bench callbacks`: from a payment's callback until it is applied and durable, alone, under as
//! many claims as the server takes, and beside forged ones. Those pretend to be Alipay's, since nothing
//! costs more than to look at an RSA signature: once from a few addresses, which are soon refused
//! unread, and once each from another, so that every one is looked at.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use hyper::Method;
use levee_api::client::Client;
use levee_api::webhook::{DEV_PAYMENTS_SECRET, WebhookSecrets};
use serde::Serialize;
use serde_json::{Value, json};

use super::against::write_claim;
use super::http::open_campaign;
use super::load::Load;
use super::pace::Pace;
use super::{AckMs, report};
use crate::Ending;
use crate::server::Server;

/// The app and seller that forged notifications name.
const APP: &str = "2021000000000001";

/// Price of what is ordered, in minor units.
const PRICE_MINOR: u64 = 1_900;

/// Keep-alive connections of a provider, of its forgers, and of users.
const GENUINE: usize = 8;
const FORGERS: usize = 64;
const USERS: usize = 256;

/// Addresses of forgers who have few.
const ADDRESSES: u32 = 64;

/// No longer than this, at most, under full claim load.
const P99_MS_MAX: f64 = 50.0;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Genuine callbacks a second.
    #[arg(long, default_value_t = 200)]
    genuine: u32,
    /// Forged callbacks a second. With openssl, which makes the keys that they are checked with.
    #[arg(long, default_value_t = 10_000)]
    forged: u32,
    /// Length of one run.
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Write the figures as JSON.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    json: Option<PathBuf>,
}

/// One run.
#[derive(Clone, Copy, Debug, Serialize)]
struct Run {
    /// What else there was.
    beside: &'static str,
    /// From the moment at which a callback was due until it was acknowledged.
    genuine_ms: AckMs,
    genuine: u64,
    claims_per_s: f64,
    forged_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Figures {
    runs: Vec<Run>,
}

pub(super) fn run(args: &Args) -> Result<Ending> {
    ensure!(args.genuine > 0 && args.seconds > 0, "--genuine and --seconds must be above 0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(args))?;
    report(args.json.as_ref(), &figures, print)?;
    let is_late = |run: &Run| run.genuine_ms.p99 > P99_MS_MAX;
    Ok(if figures.runs.iter().any(is_late) { Ending::Failed } else { Ending::Good })
}

fn print(figures: &Figures) {
    for Run { beside, genuine_ms, genuine, claims_per_s, forged_per_s } in &figures.runs {
        println!(
            "{genuine} callbacks {beside}: acknowledged after {genuine_ms}; \
             {claims_per_s:.0} claims/s, {forged_per_s:.0} forged/s turned away"
        );
    }
    println!("p99 must be at most {P99_MS_MAX} ms");
}

async fn measure(args: &Args) -> Result<Figures> {
    let folder = tempfile::tempdir()?;
    let config = configuration(folder.path())?;
    let config = config.to_str().context("the temporary folder's name is UTF-8")?;
    let data = folder.path().join("data");
    let levee = Server::start(&data, &["--dev", "--log", "error", "--config", config])?;
    open_campaign(&levee.address, 100_000_000).await?;
    let length = Duration::from_secs(args.seconds.into());
    let each = args.genuine * args.seconds;
    let runs = [
        ("alone", false, None),
        ("under full claim load", true, None),
        ("beside forged ones of few addresses", false, Some(ADDRESSES)),
        ("beside forged ones, each of another address", false, Some(u32::MAX)),
        ("under full claim load, beside forged ones of few addresses", true, Some(ADDRESSES)),
        (
            "under full claim load, beside forged ones, each of another address",
            true,
            Some(u32::MAX),
        ),
    ];
    // A run ends a moment late.
    let count = (each as usize * 21 / 20 + GENUINE) * runs.len();
    let host = levee.address.clone();
    let genuine = Rc::new(genuine(&levee.address, count).await?);
    let next = Rc::new(Cell::new(0_usize));
    let sent = Rc::clone(&next);
    let send = move |out: &mut Vec<u8>| {
        let number = next.get();
        next.set(number + 1);
        out.extend_from_slice(&genuine[number.min(genuine.len() - 1)]);
    };
    let user = Rc::new(Cell::new(0_u64));
    let claim = move |out: &mut Vec<u8>| {
        let number = user.get();
        user.set(number + 1);
        write_claim(out, &host, number);
    };
    let (before, after) = forged(&levee.address);
    let (from, addresses) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(ADDRESSES)));
    let among = Rc::clone(&addresses);
    let forge = move |out: &mut Vec<u8>| {
        let number = from.get();
        from.set(number.wrapping_add(1));
        // Below a network that is for documentation: nobody's.
        let (high, low) = ((number % among.get()) >> 16, (number % among.get()) & 0xffff);
        write!(out, "{before}x-forwarded-for: 2001:db8:{high:x}:{low:x}::1\r\n{after}")
            .expect("writing to memory");
    };
    let mut provider = Load::connect(&levee.address, GENUINE, "HTTP/1.1 200").await?;
    let mut users = Load::connect(&levee.address, USERS, "HTTP/1.1 201").await?;
    // Of few addresses some are looked at (401), and soon none (429).
    let mut few = Load::connect(&levee.address, FORGERS, "HTTP/1.1 4").await?;
    let mut many = Load::connect(&levee.address, FORGERS, "HTTP/1.1 401").await?;
    users.run(Pace::closed(length / 4), &claim).await?;
    let mut figures = Figures { runs: Vec::new() };
    for (beside, with_claims, with_forged) in runs {
        let claims = async {
            if !with_claims {
                return Ok(0.0);
            }
            users.run(Pace::closed(length), &claim).await.map(|seen| seen.per_s())
        };
        let forging = async {
            let Some(among) = with_forged else { return Ok(0.0) };
            addresses.set(among);
            let forgers = if among == ADDRESSES { &mut few } else { &mut many };
            let pace = Pace::open(length, args.forged.into());
            forgers.run(pace, &forge).await.map(|seen| seen.per_s())
        };
        let genuine = provider.run(Pace::open(length, args.genuine.into()), &send);
        let (seen, claims_per_s, forged_per_s) = tokio::join!(genuine, claims, forging);
        let (seen, claims_per_s, forged_per_s) = (seen?, claims_per_s?, forged_per_s?);
        figures.runs.push(Run {
            beside,
            genuine_ms: AckMs::of(&seen.latencies),
            genuine: seen.answers,
            claims_per_s,
            forged_per_s,
        });
    }
    // Told again they would cost less.
    ensure!(sent.get() <= count, "more callbacks were due than there were orders");
    ensure!(levee.stop()?.success(), "the server did not stop well");
    Ok(figures)
}

fn request(host: &str, signed: &[(&'static str, String)], body: &str) -> Vec<u8> {
    let mut text = format!("POST /v1/payments/sandbox/notify HTTP/1.1\r\nhost: {host}\r\n");
    for (name, value) in signed {
        write!(text, "{name}: {value}\r\n").expect("writing to memory");
    }
    write!(text, "content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        .expect("writing to memory");
    text.into_bytes()
}

/// Orders, and for each of them the callback that it was paid.
async fn genuine(address: &str, count: usize) -> Result<Vec<Vec<u8>>> {
    let mut operator = Client::connect(address, "dev-operator").await?;
    let outlet = json!({
        "brand": "dev", "vendor": "bench", "name": "Bench", "lat": 31.23, "lng": 121.47,
        "stations": 10_000, "minutes_per_unit": 1.0, "accept_within": "PT1H",
        "menu": [{"sku": "tea", "name": "Tea", "category": "tea", "price_minor": PRICE_MINOR}],
        "pos": {"sandbox": true},
    });
    let body = Bytes::from(outlet.to_string());
    operator.send(Method::PUT, "/v1/outlets/bench", &[], body).await?.json::<Value>()?;
    let secret = WebhookSecrets::from_text(DEV_PAYMENTS_SECRET)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut app = Client::connect(address, "dev-app").await?;
    let mut callbacks = Vec::with_capacity(count);
    for number in 0..count {
        let user = format!("payer-{number}");
        let order = json!({
            "user_id": user, "outlet_id": "bench", "items": [{"sku": "tea", "quantity": 1}],
        });
        let placed = app.post("/v1/orders", Some(&user), &order).await?.json::<Value>()?;
        let payment = placed["order"]["payment"]["id"].as_str().context("an order to be paid")?;
        let body = json!({
            "payment": payment, "trade": payment, "event": "succeeded",
            "captured_minor": PRICE_MINOR,
        });
        let body = body.to_string();
        let signed = secret.headers(&format!("msg_{number}"), now_s, body.as_bytes());
        callbacks.push(request(address, &signed, &body));
    }
    Ok(callbacks)
}

/// One that nobody has signed: what stands before the sender's address, and after it.
fn forged(host: &str) -> (String, String) {
    // As long as one of RSA with 2,048 bits, below every such modulus, and base64 that a strict reader
    // takes (the last digit has four bits to spare): what is no signature at first sight costs nothing.
    let signature = "B".repeat(341) + "A%3D%3D";
    let body = format!(
        "app_id={APP}&notify_id=1&notify_type=trade_status_sync&out_trade_no=pay_0000000000000000&\
         seller_id={APP}&total_amount=19.00&trade_no=1&trade_status=TRADE_SUCCESS&sign_type=RSA2&\
         sign={signature}"
    );
    let before = format!("POST /v1/payments/alipay/notify HTTP/1.1\r\nhost: {host}\r\n");
    let after = format!(
        "content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    (before, after)
}

/// Writes a configuration with Alipay and the sandbox as providers, and with the forgers' addresses in
/// the header that a proxy would write. Whoever is paid, nobody is called: no gateway listens.
fn configuration(folder: &Path) -> Result<PathBuf> {
    let openssl = |arguments: &[&str]| -> Result<()> {
        let output = Command::new("openssl").args(arguments).current_dir(folder).output();
        let output = output.context("openssl makes the keys, and cannot be started")?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    openssl(&[
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        "rsa_keygen_bits:2048",
        "-out",
        "a.pem",
    ])?;
    openssl(&["pkey", "-in", "a.pem", "-pubout", "-out", "alipay.pem"])?;
    let file = folder.join("levee.toml");
    let text = format!(
        "[gate]\nproxies = [\"127.0.0.0/8\"]\n[connect]\nallow = []\n\
         [sandbox]\nurl = \"http://127.0.0.1:9\"\n\
         [payments.alipay]\nprovider = \"alipay\"\ngateway = \"http://127.0.0.1:9/gateway.do\"\n\
         app_id = \"{APP}\"\nseller_id = \"{APP}\"\n\
         app_key_file = \"{folder}/a.pem\"\nalipay_key_files = [\"{folder}/alipay.pem\"]\n",
        folder = folder.display()
    );
    fs::write(&file, text)?;
    Ok(file)
}
