//! Tasks of the data thread.

use std::rc::Rc;

use super::limits::memory::{Account, Memory, Metered};

/// Lets hyper start its tasks on this thread, each for the account of the connection that it serves.
#[derive(Clone)]
pub(crate) struct Local {
    /// Counts.
    pub(crate) memory: Rc<Memory>,
    /// Whose tasks they are.
    pub(crate) account: Rc<Account>,
}

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(Metered::stream(task, self.memory.clone(), self.account.clone()));
    }
}
