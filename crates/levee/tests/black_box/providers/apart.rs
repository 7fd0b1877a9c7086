//! Engine and gate in processes of their own: the engine's connectors hear how users pay, and gates
//! say it and take notifications.

use super::stand_in::{Kind, StandIn};
use super::{is, notify, open_outlet, order, place, until, until_payable};
use crate::harness::{Server, path, run};

#[test]
fn a_gate_of_its_own_says_how_users_pay_and_hears_that_they_did() {
    let provider = StandIn::open(Kind::Stripe);
    let place = place(&provider);
    let socket = format!("unix:{}", place.beside("gates.sock").display());
    let engine = place.start_with(&["--listen", "none", "--gates", &socket]);
    let config = place.beside("levee.toml");
    let gate = Server::start_gate(&["--engine", &socket, "--config", path(&config)]);
    let gate = gate.expect("it connects");
    run(async {
        open_outlet(&gate).await;
        let (_, payment) = order(&gate, "k1").await;
        until_payable(&gate, &provider, &payment).await;
        provider.change(&payment, |one| one.is_paid = true);
        notify(&gate, &provider, &payment, None);
        until(&gate, &payment, "paid", is("succeeded")).await;
    });
    gate.stop();
    engine.stop();
    place.audit_is_clean();
}

/// Where no gate listens beside it, nobody but the operator knows the address of the gates.
#[test]
fn an_engine_alone_must_be_told_where_notifications_go() {
    for (kind, is_told_elsewhere) in
        [(Kind::Alipay, false), (Kind::Wechat, false), (Kind::Stripe, true)]
    {
        let place = place(&StandIn::open(kind));
        let socket = format!("unix:{}", place.beside("gates.sock").display());
        let started = place.try_start_with(&["--listen", "none", "--gates", &socket]);
        assert_eq!(started.is_ok(), is_told_elsewhere, "{kind:?}");
    }
}
