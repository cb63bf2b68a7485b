//! The memory of one of very many subjects.

use std::mem::size_of;

use super::*;
use crate::token::handle::shared::Shared;
use crate::token::handle::view::View;
use crate::token::keeper::Keeper;

#[test]
fn a_subject_stays_small() {
    let parts = [size_of::<Keeper>(), size_of::<Shared>(), size_of::<View>(), size_of::<Token>(), size_of::<Stored>()];
    let whole: usize = parts.iter().sum();
    assert!(whole <= 1_100, "{whole} bytes, of these {parts:?}: see benches/subjects for what a subject takes in all");
}

#[tokio::test(start_paused = true)]
async fn the_published_view_is_shared_and_waiters_take_no_memory_afterwards() {
    let world = World::steady(HOUR);
    let handle = world.opened().await;
    let seen = Arc::clone(&handle.shared().view());
    assert_eq!(Arc::strong_count(&seen), 3, "the shared state's, the keeper's, this one");
}
