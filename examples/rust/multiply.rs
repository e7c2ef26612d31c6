//! Multiplies with lines. Usage: multiply [PORT [A B]]
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;

fn multiply(port: &str, a: &str, b: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(("localhost", port.parse().map_err(io::Error::other)?))?;
    // One write for the whole line. write!(connection, "{a} {b}\n") would be one system call for each piece.
    connection.write_all(format!("{a} {b}\n").as_bytes())?;
    let mut replies = BufReader::new(connection).lines();
    let mut next = || replies.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
    eprintln!("{}", next()?); // Data received
    next() // 50.0
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let at = |index: usize, default| arguments.get(index).map_or(default, String::as_str);
    match multiply(at(0, "65432"), at(1, "5"), at(2, "10")) {
        Ok(reply) if !reply.starts_with("Error: ") => {
            println!("{reply}");
            ExitCode::SUCCESS
        }
        Ok(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("localhost:{}: {error}", at(0, "65432"));
            ExitCode::FAILURE
        }
    }
}
