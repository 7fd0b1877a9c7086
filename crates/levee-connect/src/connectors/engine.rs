//! What connectors ask the engine.

use std::sync::Arc;

use levee_api::port::{Answer, Failure, LIST_MAX, OrderView, OutletView, Priority, Query, Submit};
use levee_api::types::{
    Action, Breaker, BreakerOf, BreakerState, Command, OrderNo, OutletNo, Refusal,
};
use levee_api::vitals::OutsideVitals;

use super::desks::Of;
use super::tickets::Outlets;
use crate::asking::Asking;

/// The engine, as connectors see it.
pub(super) struct Engine(Asking);

impl Engine {
    pub(super) fn new(submit: Arc<dyn Submit>) -> Self {
        Self(Asking::new(submit))
    }

    /// Says what came of something. It is not wanted any more where it is refused; that is no fault.
    pub(super) async fn say(&self, command: Command) -> Result<Result<(), Refusal>, Failure> {
        self.0.say(command).await
    }

    async fn query(&self, query: Query) -> Result<Answer, Failure> {
        self.0.query(Priority::Callback, query).await
    }

    /// What is undone and has changed after a change, and the last change of these.
    pub(super) async fn undone(&self, after_change: u64) -> Result<(Vec<Action>, u64), Failure> {
        match self.query(Query::Undone { after_change, limit: LIST_MAX }).await? {
            Answer::Undone { actions, change } => Ok((actions, change)),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    pub(super) async fn order(&self, number: OrderNo) -> Result<Option<Box<OrderView>>, Failure> {
        match self.query(Query::Order(number)).await? {
            Answer::Order(order) => Ok(order),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    /// Breakers that are open, each with an outlet that it concerns, if there is one.
    pub(super) async fn breakers(
        &self,
        outlets: &Outlets,
    ) -> Result<Vec<(Of, Option<OutletNo>)>, Failure> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let query = Query::Breakers { after, limit: LIST_MAX };
            let Answer::Breakers(breakers) = self.query(query).await? else {
                unreachable!("an answer to another question")
            };
            let mut last = None;
            for (of, breaker) in breakers {
                if let BreakerOf::Outlet(outlet) = of {
                    last = Some(outlet);
                }
                if breaker.state != BreakerState::Open {
                    continue;
                }
                match of {
                    BreakerOf::Outlet(outlet) => found.push((Of::Outlet(outlet), Some(outlet))),
                    BreakerOf::Vendor(vendor) => {
                        let outlet = self.outlet_of(&vendor, outlets).await?;
                        found.push((Of::Vendor(vendor.into()), outlet));
                    }
                }
            }
            if last.is_none() {
                return Ok(found);
            }
            after = last;
        }
    }

    /// A vendor's breaker, unless it is closed.
    pub(super) async fn breaker_of(&self, vendor: &str) -> Result<Option<Breaker>, Failure> {
        let query = Query::Breakers { after: None, limit: 0 };
        let Answer::Breakers(breakers) = self.query(query).await? else {
            unreachable!("an answer to another question")
        };
        let is_it = |of: &BreakerOf| matches!(of, BreakerOf::Vendor(name) if name == vendor);
        Ok(breakers.into_iter().find(|(of, _)| is_it(of)).map(|(_, breaker)| breaker))
    }

    /// Journal time, as far as it is known here, in milliseconds since 1970.
    pub(super) fn journal_ms(&self) -> u64 {
        self.0.journal_ms()
    }

    /// Any outlet of a vendor; goes through all of them, so it is seldom asked.
    pub(super) async fn outlet_of(
        &self,
        vendor: &str,
        outlets: &Outlets,
    ) -> Result<Option<OutletNo>, Failure> {
        let mut after_seq = 0;
        loop {
            let query = Query::Outlets { after_seq, limit: LIST_MAX };
            let Answer::Outlets(views) = self.query(query).await? else {
                unreachable!("an answer to another question")
            };
            let Some(last) = views.last() else { return Ok(None) };
            after_seq = last.put_seq;
            if let Some(view) = views.iter().find(|view| outlets.is_of(view, vendor)) {
                return Ok(Some(view.number));
            }
        }
    }

    /// What connectors count.
    pub(super) fn vitals(&self) -> &OutsideVitals {
        &self.0.vitals().outside
    }

    /// The outlet's document by which an order was placed.
    pub(super) async fn document_of(&self, number: OrderNo) -> Result<Option<Vec<u8>>, Failure> {
        match self.query(Query::DocumentOf(number)).await? {
            Answer::Document(document) => Ok(document),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }

    pub(super) async fn outlet(
        &self,
        number: OutletNo,
    ) -> Result<Option<Box<OutletView>>, Failure> {
        match self.query(Query::OutletNumbered(number)).await? {
            Answer::Outlet(outlet) => Ok(outlet),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    }
}
