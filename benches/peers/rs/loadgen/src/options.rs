//! The command line, and the request that it describes.
use std::error::Error;

pub type Outcome<T> = Result<T, Box<dyn Error>>;

pub struct Options {
    /// The port on 127.0.0.1.
    pub port: u16,
    pub path: String,
    pub method: String,
    /// The size of the request body in bytes.
    pub body: usize,
    pub headers: Vec<String>,
    pub connections: usize,
    /// The measured seconds, after `warm` unmeasured ones.
    pub seconds: f64,
    pub warm: f64,
    /// Requests per second of the open loop; 0 for a closed loop.
    pub rate: f64,
    /// The processes whose CPU time is measured.
    pub pids: Vec<u32>,
    /// The core for the command of `first`.
    pub cpu: Option<usize>,
    pub timeout: f64,
    pub log: String,
    pub command: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            path: "/".into(),
            method: "GET".into(),
            body: 0,
            headers: Vec::new(),
            connections: 1,
            seconds: 1.0,
            warm: 0.2,
            rate: 0.0,
            pids: Vec::new(),
            cpu: None,
            timeout: 15.0,
            log: "/dev/null".into(),
            command: Vec::new(),
        }
    }
}

pub fn parse(mut arguments: impl Iterator<Item = String>) -> Outcome<Options> {
    let mut options = Options::default();
    while let Some(flag) = arguments.next() {
        if flag == "--" {
            options.command = arguments.collect();
            break;
        }
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        set(&mut options, &flag, value).map_err(|error| format!("{flag}: {error}"))?;
    }
    Ok(options)
}

fn set(options: &mut Options, flag: &str, value: String) -> Outcome<()> {
    match flag {
        "--port" => options.port = value.parse()?,
        "--path" => options.path = value,
        "--method" => options.method = value,
        "--body" => options.body = value.parse()?,
        "--header" => options.headers.push(value),
        "--connections" => options.connections = value.parse()?,
        "--seconds" => options.seconds = value.parse()?,
        "--warm" => options.warm = value.parse()?,
        "--rate" => options.rate = value.parse()?,
        "--pids" => {
            options.pids = value.split(',').filter(|pid| !pid.is_empty()).map(str::parse).collect::<Result<_, _>>()?
        }
        "--cpu" => options.cpu = Some(value.parse()?),
        "--timeout" => options.timeout = value.parse()?,
        "--log" => options.log = value,
        _ => return Err("no such option".into()),
    }
    Ok(())
}

impl Options {
    /// The bytes of the request.
    pub fn request(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: loadgen\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n",
            self.method, self.path, self.port
        );
        for header in &self.headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        if self.body > 0 {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", self.body));
        }
        head.push_str("\r\n");
        let mut request = head.into_bytes();
        request.resize(request.len() + self.body, b'x');
        request
    }
}
