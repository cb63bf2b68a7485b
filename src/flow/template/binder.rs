//! Filling variables in, with every wrong value reported and its variable named.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Template;
use crate::secret::Secret;

/// What is wrong with the values that a flow was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueFault {
    /// The variable whose value it is; `None` where it is the choice of the environment.
    pub variable: Option<String>,
    /// What is wrong. Never holds a value.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Variables on their way into templates.
pub(in crate::flow) struct Binder<'a> {
    pub(in crate::flow) variables: BTreeMap<String, Secret>,
    /// Whether `http` to other machines is allowed.
    pub(in crate::flow) plaintext: bool,
    report: RefCell<&'a mut dyn FnMut(ValueFault)>,
}

impl<'a> Binder<'a> {
    /// A binder with these variables that reports there.
    pub(in crate::flow) fn new(
        variables: BTreeMap<String, Secret>,
        plaintext: bool,
        report: &'a mut dyn FnMut(ValueFault),
    ) -> Self {
        Self { variables, plaintext, report: RefCell::new(report) }
    }

    /// The template with its variables filled in; `None` if it is exactly one empty variable.
    pub(in crate::flow) fn bind(&self, template: &Template) -> Option<Template> {
        template.bind(&self.variables)
    }

    /// The same for a URL.
    pub(in crate::flow) fn bind_url(&self, template: &Template) -> Option<Template> {
        template.bind_url(&self.variables)
    }

    /// The pairs whose value is sent.
    pub(in crate::flow) fn pairs(&self, pairs: &[(String, Template)]) -> Vec<(String, Template)> {
        pairs.iter().filter_map(|(name, value)| Some((name.clone(), self.bind(value)?))).collect()
    }

    /// The text of a template that names variables only; empty counts as none.
    pub(in crate::flow) fn text(&self, template: Option<&Template>) -> Option<String> {
        let bound = self.bind(template?)?;
        bound.as_text().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A duration, or `default` if there is none.
    pub(in crate::flow) fn duration(&self, template: Option<&Template>, default: Duration) -> Duration {
        let Some(text) = self.text(template) else { return default };
        crate::document::duration(&text).unwrap_or_else(|| {
            let cause = template.cloned().unwrap_or_default();
            let hint = "write it with a unit, like \"90s\", \"5m\" or \"1h\"";
            self.fault(&cause, "is no duration", Some(hint.to_owned()));
            default
        })
    }

    /// Reports what is wrong with a value; the first variable in the template is to blame.
    pub(in crate::flow) fn fault(&self, cause: &Template, message: &str, hint: Option<String>) {
        let variable = cause.names().find(|name| self.variables.contains_key(*name)).map(str::to_owned);
        let subject = variable.as_ref().map_or_else(|| "the flow's value".to_owned(), |name| format!("`{name}`"));
        self.report(ValueFault { variable, message: format!("{subject} {message}"), hint });
    }

    /// Reports a fault.
    pub(in crate::flow) fn report(&self, fault: ValueFault) {
        (self.report.borrow_mut())(fault);
    }
}
