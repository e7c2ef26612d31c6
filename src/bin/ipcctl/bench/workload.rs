//! The request and its two replies: the same text and the same calculation over every mechanism.

use std::io;
use std::str::FromStr;

use ipcd::engine::number;
use ipcd::engine::service::multiply;
use ipcd::engine::text::quote;

use super::super::other_service;
use super::channel::Channel;
use super::failure::MeasureError;
use ipcd::engine::words::DATA_RECEIVED;

/// The longest request, in bytes: it and its replies easily fit into every mechanism's smallest message.
const REQUEST_BYTES_MAX: usize = 256;

/// A valid request to multiply, and its replies.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) request: String,
    replies: [Vec<u8>; 2],
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(request: &str) -> Result<Workload, String> {
        if request.len() > REQUEST_BYTES_MAX || request.contains(char::is_control) {
            return Err(format!("a request is one line of at most {REQUEST_BYTES_MAX} bytes"));
        }
        let value = multiply::evaluate(request.as_bytes()).map_err(|complaint| complaint.to_string())?;
        let mut result = Vec::new();
        number::write(value, &mut result);
        let replies = [DATA_RECEIVED.as_bytes().to_vec(), result];
        Ok(Workload { request: request.to_owned(), replies })
    }
}

impl Workload {
    pub(crate) fn ask(&self, channel: &mut Channel) -> Result<(), MeasureError> {
        channel.send(&[self.request.as_bytes()]).map_err(|error| MeasureError::of_exchange(&error))
    }

    /// Waits for both messages; `heard` is the buffer for them.
    pub(crate) fn hear(&self, channel: &mut Channel, heard: &mut Vec<u8>) -> Result<(), MeasureError> {
        for reply in &self.replies {
            match channel.receive(heard) {
                Ok(true) if heard == reply => {}
                Ok(true) => {
                    if let Some(found) =
                        other_service::of(&String::from_utf8_lossy(heard)).filter(|it| *it != "multiply")
                    {
                        return Err(MeasureError::Broke(format!("this is {found}, not multiply")));
                    }
                    let (said, expected) = (quote(heard), quote(reply));
                    return Err(MeasureError::Broke(format!(
                        "it answers '{said}', but multiply would answer '{expected}'"
                    )));
                }
                Ok(false) => return Err(MeasureError::Broke("it ended without an answer".to_owned())),
                Err(error) => return Err(MeasureError::of_exchange(&error)),
            }
        }
        Ok(())
    }
}

/// Answers every request until the end.
pub(crate) fn answer(channel: &mut Channel) -> io::Result<()> {
    let (mut request, mut result) = (Vec::new(), Vec::new());
    while channel.receive(&mut request)? {
        result.clear();
        match multiply::evaluate(&request) {
            Ok(value) => number::write(value, &mut result),
            Err(complaint) => result.extend(format!("Error: {complaint}").bytes()),
        }
        channel.send(&[DATA_RECEIVED.as_bytes(), &result])?;
    }
    Ok(())
}
