//! A bare axum server that answers each POST with its body, loaded from another process: `rest`, SIZE requests in flight.
//! It has one route, no middleware and no checks. What it costs above this is Caxton's.

use axum::{Router, body::Bytes, routing::post};
use peers::{
    Arguments, Failure, load,
    server::{Server, announce, is_server},
};
use tokio::{net::TcpListener, runtime};

fn main() -> Result<(), Failure> {
    if is_server() {
        return runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve());
    }
    let arguments = Arguments::read()?;
    if arguments.workload != "rest" {
        return Err(arguments.unknown());
    }
    let server = Server::start()?;
    let client = runtime::Builder::new_current_thread().enable_all().build()?;
    client.block_on(load::http(&server.url, "/echo", arguments.size, arguments.span()))?.print();
    Ok(())
}

async fn serve() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    let app = Router::new().route("/echo", post(|body: Bytes| async { body }));
    // Small answers go out at once, as Caxton's do.
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}
