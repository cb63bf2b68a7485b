//! The readers of each token.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use crate::token::handle::shared::{KeeperId, Shared};
use crate::token::key::TokenKey;

/// The readers of each token. Locked when a token is opened or released, never by a request.
#[derive(Default)]
pub(in crate::token) struct Registry(Mutex<Boards>);

#[derive(Default)]
pub(super) struct Boards {
    pub(super) by_key: HashMap<TokenKey, (KeeperId, Weak<Shared>)>,
    pub(super) last: u64,
}

impl Registry {
    pub(super) fn shared_by_key(&self) -> MutexGuard<'_, Boards> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keeper ended. Its key may have a new one by now.
    pub(super) fn forget(&self, key: &TokenKey, keeper: KeeperId) {
        let mut shared_by_key = self.shared_by_key();
        if shared_by_key.by_key.get(key).is_some_and(|(id, _)| *id == keeper) {
            shared_by_key.by_key.remove(key);
        }
    }
}
