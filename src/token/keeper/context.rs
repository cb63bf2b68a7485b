//! What all keepers need for planning.

use crate::clock::SharedClock;
use crate::token::keeper::complaints::Complaints;
use crate::token::store::unsaved::BufferedStore;
use std::sync::Arc;

pub(in crate::token) struct Context {
    pub(in crate::token) clock: SharedClock,
    pub(in crate::token) store: Arc<BufferedStore>,
    pub(in crate::token) random: fastrand::Rng,
    pub(in crate::token) complaints: Complaints,
}
