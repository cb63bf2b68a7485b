//! Inserts variables, and reports every wrong value with its variable.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use super::Template;
use crate::secret::Secret;

/// A problem with the values of a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueFault {
    /// The variable; `None` if the environment is wrong.
    pub variable: Option<String>,
    /// What is wrong. Never contains a value.
    pub message: String,
    pub hint: Option<String>,
}

/// Inserts variables into templates.
pub(in crate::flow) struct Binder<'a> {
    pub(in crate::flow) variables: BTreeMap<String, Secret>,
    /// Whether `http` to other machines is allowed.
    pub(in crate::flow) plaintext: bool,
    report: RefCell<&'a mut dyn FnMut(ValueFault)>,
}

impl<'a> Binder<'a> {
    pub(in crate::flow) fn new(
        variables: BTreeMap<String, Secret>,
        plaintext: bool,
        report: &'a mut dyn FnMut(ValueFault),
    ) -> Self {
        Self { variables, plaintext, report: RefCell::new(report) }
    }

    /// Inserts variables; `None` if the template consists of one empty variable.
    pub(in crate::flow) fn bind(&self, template: &Template) -> Option<Template> {
        template.bind(&self.variables)
    }

    /// Like [`Self::bind`], for a URL.
    pub(in crate::flow) fn bind_url(&self, template: &Template) -> Option<Template> {
        template.bind_url(&self.variables)
    }

    pub(in crate::flow) fn pairs(&self, pairs: &[(String, Template)]) -> Vec<(String, Template)> {
        pairs.iter().filter_map(|(name, value)| Some((name.clone(), self.bind(value)?))).collect()
    }

    /// The text of a template with only variables; empty counts as none.
    pub(in crate::flow) fn text(&self, template: Option<&Template>) -> Option<String> {
        let bound = self.bind(template?)?;
        bound.as_text().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    pub(in crate::flow) fn duration(&self, template: Option<&Template>, default: Duration) -> Duration {
        let Some(text) = self.text(template) else { return default };
        crate::document::duration(&text).unwrap_or_else(|| {
            let cause = template.cloned().unwrap_or_default();
            let hint = "add a unit, as in \"90s\", \"5m\" or \"1h\"";
            self.fault(&cause, "is not a duration", Some(hint.to_owned()));
            default
        })
    }

    /// Reports a wrong value at the first variable of the template.
    pub(in crate::flow) fn fault(&self, cause: &Template, message: &str, hint: Option<String>) {
        let variable = cause.names().find(|name| self.variables.contains_key(*name)).map(str::to_owned);
        let subject = variable.as_ref().map_or_else(|| "the flow's value".to_owned(), |name| format!("`{name}`"));
        self.report(ValueFault { variable, message: format!("{subject} {message}"), hint });
    }

    pub(in crate::flow) fn report(&self, fault: ValueFault) {
        (self.report.borrow_mut())(fault);
    }
}
