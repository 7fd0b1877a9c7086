//! The client: a request of the port, sent as it was built, and its answer as the port reads it.

use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use levee_pay::{
    BODY_LEN_MAX, Currency, Money, Order, Provider, Refund, RequestError, Stamp, Trade,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{Result, now_s, show};

/// What is asked about; which fields are needed depends on the operation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    out_trade_no: String,
    trade_no: Option<String>,
    out_refund_no: Option<String>,
    amount_minor: Option<u64>,
    currency: Option<String>,
    total_minor: Option<u64>,
    subject: Option<String>,
    reason: Option<String>,
    notify_url: Option<String>,
    expires_at_s: Option<u64>,
}

/// Asks the gateway, and says what was read of its answer.
pub(crate) async fn ask(provider: &dyn Provider, op: &str, body: &[u8]) -> Result<Value> {
    let asked: Asked = serde_json::from_slice(body)?;
    let request = match build(provider, op, asked)? {
        Ok(request) => request,
        Err(error) => return Ok(json!({ "request_error": error.to_string() })),
    };
    let levee_pay::Request { http, asked } = request;
    let (status, headers, body) = send(http).await?;
    Ok(match provider.read_reply(&asked, status, &headers, &body, now_s()) {
        Ok(reply) => show::reply(&reply),
        Err(error) => json!({ "reply_error": error.to_string() }),
    })
}

fn build(
    provider: &dyn Provider,
    op: &str,
    asked: Asked,
) -> Result<Result<levee_pay::Request, RequestError>> {
    let mut nonce = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut nonce)
        .map_err(|_| "the system gives no randomness")?;
    let stamp = Stamp { now_s: now_s(), nonce };
    let currency = asked.currency.as_deref().unwrap_or("CNY");
    let currency = Currency::new(currency).ok_or("currency")?;
    let money = Money { amount_minor: asked.amount_minor.unwrap_or_default(), currency };
    let trade = Trade { out_trade_no: asked.out_trade_no, trade_no: asked.trade_no };
    if op == "create" {
        return Ok(provider.create(
            &Order {
                out_trade_no: trade.out_trade_no,
                money,
                subject: asked.subject.ok_or("subject")?,
                notify_url: asked.notify_url.ok_or("notify_url")?,
                expires_at_s: asked.expires_at_s.ok_or("expires_at_s")?,
            },
            &stamp,
        ));
    }
    let refund = || -> Result<Refund> {
        Ok(Refund {
            out_refund_no: asked.out_refund_no.ok_or("out_refund_no")?,
            trade: trade.clone(),
            money,
            total_minor: asked.total_minor.ok_or("total_minor")?,
            reason: asked.reason,
            notify_url: asked.notify_url,
        })
    };
    match op {
        "query" => Ok(provider.query(&trade, &stamp)),
        "close" => Ok(provider.close(&trade, &stamp)),
        "refund" => Ok(provider.refund(&refund()?, &stamp)),
        "refund_query" => Ok(provider.refund_query(&refund()?, &stamp)),
        _ => Err("no such operation".into()),
    }
}

/// Over a connection of its own, to a gateway on this machine.
async fn send(request: Request<Vec<u8>>) -> Result<(u16, http::HeaderMap, Bytes)> {
    let authority = request.uri().authority().ok_or("no host")?.as_str().to_owned();
    let stream = TcpStream::connect(&authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    let (mut head, body) = request.into_parts();
    head.uri = head.uri.path_and_query().ok_or("no path")?.as_str().parse()?;
    head.headers.insert(header::HOST, HeaderValue::from_str(&authority)?);
    let request = Request::from_parts(head, Full::<Bytes>::new(Bytes::from(body)));
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body =
        Limited::new(body, BODY_LEN_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok((head.status.as_u16(), head.headers, body.to_bytes()))
}
