//! Paths by which programs are told of documents.

use super::words;
use crate::notify::{DeliveryState, Draft, Subscription, WithSecret};
use crate::serve::describe::Routes;
use crate::serve::problem::{CONFLICT, MEDIA, NOT_FOUND, STALE, TOO_LARGE};
use crate::serve::subscriptions;
use axum::http::Method;
use axum::routing::{delete, get, post, put};
use serde_json::json;

pub(super) fn telling(routes: Routes) -> Routes {
    routes
        .add(Method::GET, "/subscriptions", get(subscriptions::list), "Who hears of what", |about| {
            about.gives::<subscriptions::Subscribed>(200)
        })
        .add(Method::POST, "/subscriptions", post(subscriptions::create), "Subscribe", |about| {
            super::again(about)
                .takes::<Draft>()
                .gives::<WithSecret>(201)
                .fails(&[&CONFLICT, &MEDIA, &TOO_LARGE])
        })
        .add(Method::GET, "/subscriptions/{id}", get(subscriptions::one), "One subscription", |about| {
            about.gives::<Subscription>(200).fails(&[&NOT_FOUND])
        })
        .add(Method::PUT, "/subscriptions/{id}", put(subscriptions::change), "Change it", |about| {
            about.takes::<Draft>().gives::<Subscription>(200).fails(&[&NOT_FOUND, &STALE, &MEDIA, &TOO_LARGE])
        })
        .add(
            Method::DELETE,
            "/subscriptions/{id}",
            delete(subscriptions::delete),
            "End it, with everything that waits for it",
            |about| about.empty(204).fails(&[&NOT_FOUND]),
        )
        .add(
            Method::POST,
            "/subscriptions/{id}/secret",
            post(subscriptions::renew),
            "Make a new secret; the former one signs for a day more",
            |about| about.gives::<WithSecret>(200).fails(&[&NOT_FOUND, &STALE]),
        )
        .add(
            Method::POST,
            "/subscriptions/{id}/test",
            post(subscriptions::test),
            "Send a message that only shows that messages arrive",
            |about| about.gives::<crate::notify::Delivery>(202).fails(&[&NOT_FOUND]),
        )
        .add(
            Method::POST,
            "/subscriptions/{id}/replay",
            post(subscriptions::replay_all),
            "Send every dead letter of it once more",
            |about| about.gives::<subscriptions::Replayed>(202).fails(&[&NOT_FOUND, &STALE]),
        )
        .add(
            Method::GET,
            "/deliveries",
            get(subscriptions::deliveries),
            "Messages that wait or were given up",
            |mut about| {
                let states = json!({ "type": "array", "items": about.schema_of::<DeliveryState>() });
                about
                    .query("state", states, "all if absent")
                    .query("subscription", words(), "only to these")
                    .page(i64::MAX as u64)
                    .gives::<subscriptions::Deliveries>(200)
            },
        )
        .add(
            Method::DELETE,
            "/deliveries/{id}",
            delete(subscriptions::discard),
            "Forget a message",
            |about| about.empty(204).fails(&[&NOT_FOUND]),
        )
        .add(
            Method::POST,
            "/deliveries/{id}/replay",
            post(subscriptions::replay),
            "Send a message now, with as many tries as a new one",
            |about| about.gives::<crate::notify::Delivery>(202).fails(&[&NOT_FOUND, &STALE]),
        )
}
