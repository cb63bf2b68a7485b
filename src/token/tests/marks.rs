//! A refresh token that is marked as sent, next to a grant that could not be saved yet.

use super::*;
use crate::token::fake::{error, rotating};
use crate::token::source::Outcome;

#[tokio::test(start_paused = true)]
async fn saving_again_keeps_the_mark_of_a_refresh_token_that_was_sent_meanwhile() {
    let world = World::new(|number, call| {
        answer(if number == 1 { Ok(rotating(1, call.at, HOUR)) } else { Err(error(Outcome::Status)) })
    });
    world.store.set_away(true);
    let handle = world.opened().await;
    world.store.set_away(false);
    handle.rejected(generation(1));
    pass(seconds(60)).await;
    let kept = world.store.load(&store_key()).await.unwrap().unwrap();
    assert!(kept.refresh_sent && world.source.count() > 1);
}

#[tokio::test(start_paused = true)]
async fn a_mark_on_an_older_refresh_token_does_not_concern_an_unsaved_one() {
    let world = World::new(|number, call| {
        answer(if number == 2 { Err(error(Outcome::Status)) } else { Ok(rotating(number, call.at, HOUR)) })
    });
    let handle = world.opened().await;
    handle.rejected(generation(1));
    pass(Duration::from_millis(101)).await;
    world.store.set_away(true);
    pass(seconds(5)).await;
    assert_eq!((world.current(&handle), world.source.count()), (Some("t3".to_owned()), 3));
    world.store.set_away(false);
    handle.accepted(generation(2));
    handle.rejected(generation(2));
    pass(seconds(1)).await;
    assert_eq!(world.source.calls()[3].refresh.as_deref(), Some("r3"));
}
