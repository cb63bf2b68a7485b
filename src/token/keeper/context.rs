//! What all keepers need for planning.

use std::sync::Arc;

use crate::clock::SharedClock;
use crate::token::keeper::complaints::Complaints;
use crate::token::store::unsaved::BufferedStore;

pub(in crate::token) struct Context {
    pub(in crate::token) clock: SharedClock,
    pub(in crate::token) store: Arc<BufferedStore>,
    pub(in crate::token) random: fastrand::Rng,
    pub(in crate::token) complaints: Complaints,
}
