//! Load on any HTTP server: `http-load URL PATH IN_FLIGHT SECONDS`, such as
//! `http-load http://127.0.0.1:8080 /v1/agents/echo/ask 16 3`, prints requests in a second and their latencies.

use std::time::Duration;

use peers::{Failure, load};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, path, in_flight, seconds] = words.as_slice() else {
        return Err("usage: http-load URL PATH IN_FLIGHT SECONDS".into());
    };
    let span = Duration::from_secs_f64(seconds.parse()?);
    load::http(url, path, in_flight.parse()?, span).await?.print();
    Ok(())
}
