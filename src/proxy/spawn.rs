//! Tasks of the data thread.

use std::rc::Rc;

use super::limits::limiter::Limiter;
use super::limits::memory::Account;
use super::limits::metered::Metered;

/// Lets hyper start its tasks on this thread, each for the account of the connection that it serves.
#[derive(Clone)]
pub(crate) struct Local {
    /// Whose limits hold.
    pub(crate) limiter: Rc<Limiter>,
    /// Whose tasks they are.
    pub(crate) account: Rc<Account>,
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(Metered::stream(task, self.limiter.clone(), self.account.clone()));
    }
}
