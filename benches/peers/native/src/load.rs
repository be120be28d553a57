//! Load on an HTTP/1.1 server: connections that are kept, each with one request under way. The same client measures a bare
//! axum and Caxton. It reads answers with a Content-Length only, which is what both send, and runs on one thread so that the
//! server has the other core.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{CONTENT_BYTES, Failure, Measure, WARM_UP, histogram, nanos_since};

/// Bytes of an answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

static MEASURING: AtomicBool = AtomicBool::new(false);
static ENDED: AtomicBool = AtomicBool::new(false);

/// Posts 256 bytes to a path of `http://ADDRESS:PORT` again and again, `in_flight` requests at a time: requests in a second
/// and their latencies. The calling process must be on a runtime of one thread.
///
/// # Errors
/// Nobody listens, or an answer is not HTTP or not a success.
pub async fn http(url: &str, path: &str, in_flight: usize, span: Duration) -> Result<Measure, Failure> {
    let host = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/').to_owned();
    let request = request(&host, path);
    let mut connections = JoinSet::new();
    for _ in 0..in_flight {
        let stream = TcpStream::connect(&host).await?;
        stream.set_nodelay(true)?;
        connections.spawn(ask_again_and_again(stream, request.clone()));
    }
    tokio::time::sleep(WARM_UP).await;
    let begun = Instant::now();
    MEASURING.store(true, Ordering::Relaxed);
    // A connection that fails ends the run at once.
    let failed = tokio::time::timeout(span, connections.join_next()).await;
    MEASURING.store(false, Ordering::Relaxed);
    let seconds = begun.elapsed().as_secs_f64();
    ENDED.store(true, Ordering::Relaxed);
    if let Ok(Some(Ok(Err(failure)))) = failed {
        return Err(failure);
    }
    let mut latencies = histogram();
    while let Some(done) = connections.join_next().await {
        latencies.add(done??)?;
    }
    Ok(Measure { value: latencies.len() as f64 / seconds, latencies: Some(latencies) })
}

fn request(host: &str, path: &str) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {CONTENT_BYTES}\r\n\r\n"
    )
    .into_bytes();
    request.extend([b'x'; CONTENT_BYTES]);
    request
}

async fn ask_again_and_again(mut stream: TcpStream, request: Vec<u8>) -> Result<Histogram<u64>, Failure> {
    let mut latencies = histogram();
    let mut answer = Vec::with_capacity(4096);
    while !ENDED.load(Ordering::Relaxed) {
        let asked = Instant::now();
        stream.write_all(&request).await?;
        read_answer(&mut stream, &mut answer).await?;
        if MEASURING.load(Ordering::Relaxed) {
            latencies.record(nanos_since(asked))?;
        }
    }
    Ok(latencies)
}

/// Reads one answer whole and takes it out of the buffer.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), Failure> {
    loop {
        if let Some(length) = answer_bytes(buffer)?
            && buffer.len() >= length
        {
            buffer.drain(..length);
            return Ok(());
        }
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        if buffer.len() > ANSWER_BYTES_MAX {
            return Err("the answer is too long".into());
        }
    }
}

/// Bytes of the head and the body of the answer at the front; `None` when the head is not whole yet.
fn answer_bytes(buffer: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&buffer[..end])?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
        let body = String::from_utf8_lossy(&buffer[end + 4..]);
        return Err(format!("the server answered {status}: {body}").into());
    }
    let length = lines.filter_map(|line| line.split_once(':'));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.next().ok_or("an answer without Content-Length")?;
    Ok(Some(end + 4 + length.trim().parse::<usize>()?))
}
