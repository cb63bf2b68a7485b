//! What all keepers plan with.

use crate::clock::SharedClock;
use crate::token::keeper::complaints::Complaints;
use crate::token::store::unsaved::BufferedStore;
use std::sync::Arc;

/// What keepers plan with.
pub(in crate::token) struct Context {
    pub(in crate::token) clock: SharedClock,
    pub(in crate::token) store: Arc<BufferedStore>,
    pub(in crate::token) random: fastrand::Rng,
    pub(in crate::token) complaints: Complaints,
}
