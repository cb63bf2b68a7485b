//! A request or an answer as one end has it, whatever HTTP it came in.

/// Name and value, the name as it was spelled.
pub type Field = (String, String);

/// What stands before and around a body.
#[derive(Clone, Default, Debug)]
pub struct Message {
    /// As `HTTP/1.1`.
    pub version: String,
    /// Method or status.
    pub start: String,
    /// Target of a request, reason of an answer.
    pub more: String,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    pub trailers: Vec<Field>,
    /// Statuses that came before the answer.
    pub interim: Vec<u16>,
}

/// How a body is delimited in HTTP/1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// There is none, and nothing says so.
    None,
    Length,
    /// In chunks of this size.
    Chunked(usize),
    /// The end of the connection ends it.
    Close,
}

/// A message that is to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub message: Message,
    pub framing: Framing,
}

impl Message {
    pub fn new(start: &str, more: &str) -> Self {
        Self { version: "HTTP/1.1".into(), start: start.to_owned(), more: more.to_owned(), ..Self::default() }
    }

    pub fn of(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    pub fn with(mut self, fields: &[(&str, &str)]) -> Self {
        self.fields.extend(fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// The first line of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Takes all lines of this name away.
    pub fn take(&mut self, name: &str) -> Vec<String> {
        let taken = self.fields.extract_if(.., |(own, _)| own.eq_ignore_ascii_case(name));
        taken.map(|(_, value)| value).collect()
    }

    /// What no connection but this one may have, in the form of HTTP/2: names in lower case.
    pub fn lower(&self) -> impl Iterator<Item = Field> {
        let fields = self.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        fields.filter(|(name, _)| !matches!(name.as_str(), "host" | "connection" | "transfer-encoding" | "keep-alive"))
    }
}
