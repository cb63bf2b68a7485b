//! Starts tasks on the data thread.

use std::rc::Rc;

use super::limits::limiter::Limiter;
use super::limits::memory::Account;
use super::limits::metered::Metered;

/// Starts hyper's tasks for HTTP/2 streams, charged to the account of their connection.
#[derive(Clone)]
pub(crate) struct LocalExecutor {
    pub(crate) limiter: Rc<Limiter>,
    pub(crate) account: Rc<Account>,
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(Metered::stream(task, self.limiter.clone(), self.account.clone()));
    }
}
