//! The running admin listener, which can move to another address.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::admin::{self, Admin, AdminListener};
use crate::shutdown::{self, Phase, Shutdown, Trigger};

/// The admin listener, and its predecessors while they still respond.
pub(super) struct AdminService {
    admin: Arc<Admin>,
    shutdown: Shutdown,
    serving: JoinSet<()>,
    /// Stops the current one.
    now: Option<Arc<Trigger>>,
}

impl AdminService {
    pub(super) fn new(admin: Arc<Admin>, shutdown: Shutdown) -> Self {
        Self { admin, shutdown, serving: JoinSet::new(), now: None }
    }

    /// Serves on these sockets instead. Running responses on the old ones are finished.
    pub(super) fn open(&mut self, listeners: Vec<AdminListener>) {
        let (trigger, shutdown) = shutdown::channel();
        let trigger = Arc::new(trigger);
        for listener in listeners {
            self.serving.spawn(admin::serve(listener, admin::router(Arc::clone(&self.admin)), shutdown.clone()));
        }
        let (whole, own) = (self.shutdown.clone(), Arc::clone(&trigger));
        self.serving.spawn(async move {
            tokio::select! {
                () = whole.reached(Phase::Cut) => own.advance(Phase::Cut),
                () = shutdown.reached(Phase::Cut) => {}
            }
        });
        if let Some(before) = self.now.replace(trigger) {
            before.advance(Phase::Cut);
        }
    }

    /// Waits for the last response. The one to `POST /quit` may still be running.
    pub(super) async fn ended(&mut self) {
        while let Some(ended) = self.serving.join_next().await {
            drop(ended);
        }
    }
}
