//! NATS: a server process of its own, one connection for those who send and one for those who receive, a subject for each
//! pair of agents. What is measured has no processes for agents: only what carries their messages.
//!
//! `oneway` publishes to one subscription for each pair with the windows of Caxton's workload; the credits pass inside this
//! process at no cost, for NATS drops what a subscriber does not take in time. `echo` is request and reply, 16 under way for
//! each pair. `durable` publishes to a JetStream stream with file storage, SIZE acknowledgements under way.
//!
//! The server is `nats-server`, or the program that `NATS_SERVER` names. Debian 12's is 2.9.10, which acknowledges a durable
//! message when it is written to the file and syncs the file later, on a timer of its own: it cannot be told to sync first
//! (`sync_interval` came with 2.10). Its durable figure therefore promises less than an acknowledgement after the sync.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{
    Client, Subscriber,
    jetstream::{self, stream},
};
use hdrhistogram::Histogram;
use peers::{Arguments, CONTENT_BYTES, Failure, Measure, WARM_UP, histogram, nanos_since};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use tokio_stream::StreamExt;

const WINDOW: usize = 256;
const CREDIT: usize = 128;
const ASKS: usize = 16;
/// How long the server may take to start.
const START_MAX: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments = Arguments::read()?;
    let server = Server::start().await?;
    let measured = match arguments.workload.as_str() {
        "oneway" => one_way(&server, &arguments).await,
        "echo" => echo(&server, &arguments).await,
        "durable" => durable(&server, &arguments).await,
        _ => Err(arguments.unknown()),
    };
    drop(server);
    measured?.print_and_exit()
}

/// A NATS server with a folder of its own beside this program; both are gone when this is dropped.
struct Server {
    child: Child,
    folder: PathBuf,
    url: String,
}

impl Server {
    async fn start() -> Result<Self, Failure> {
        let program = std::env::var_os("NATS_SERVER").unwrap_or_else(|| "nats-server".into());
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut folder = std::env::current_exe()?;
        folder.set_file_name(format!("nats-{}", std::process::id()));
        remove_old(&folder)?;
        fs::create_dir_all(&folder)?;
        let child = Command::new(&program)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let server = Self { child, folder, url: format!("nats://127.0.0.1:{port}") };
        let begun = Instant::now();
        while server.connect().await.is_err() {
            if begun.elapsed() > START_MAX {
                return Err("the server does not start".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    async fn connect(&self) -> Result<Client, Failure> {
        Ok(async_nats::connect(&self.url).await?)
    }
}

/// Removes what programs left behind that were ended from outside.
fn remove_old(folder: &Path) -> Result<(), Failure> {
    for entry in fs::read_dir(folder.parent().ok_or("no folder for the server")?)?.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("nats-"));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What the tasks of a run share.
#[derive(Default)]
struct Run {
    measuring: AtomicBool,
    ended: AtomicBool,
    count: AtomicU64,
}

impl Run {
    /// Warms up and measures.
    async fn rate(&self, span: Duration) -> f64 {
        sleep(WARM_UP).await;
        let (before, begun) = (self.count.load(Ordering::Relaxed), Instant::now());
        self.measuring.store(true, Ordering::Relaxed);
        sleep(span).await;
        self.measuring.store(false, Ordering::Relaxed);
        let rate = (self.count.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64();
        self.ended.store(true, Ordering::Relaxed);
        rate
    }

    /// Counts something that took its time since a moment.
    fn count(&self, since: Instant, latencies: &mut Histogram<u64>) -> Result<(), Failure> {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.measuring.load(Ordering::Relaxed) {
            latencies.record(nanos_since(since))?;
        }
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// A subscription that the server knows: a message from the same connection has come through it.
async fn subscribe(client: &Client, subject: &str) -> Result<Subscriber, Failure> {
    let mut messages = client.subscribe(subject.to_owned()).await?;
    client.publish(subject.to_owned(), content()).await?;
    messages.next().await.ok_or("the subscription ended")?;
    Ok(messages)
}

fn content() -> bytes::Bytes {
    vec![b'x'; CONTENT_BYTES].into()
}

/// Payload messages in a second from half of the agents to the other half.
async fn one_way(server: &Server, arguments: &Arguments) -> Result<Measure, Failure> {
    let run = Arc::new(Run::default());
    let (publisher, subscriber) = (server.connect().await?, server.connect().await?);
    let pairs = (arguments.size / 2).max(1);
    let window = WINDOW.min((65_536 / pairs).max(8));
    let credit = CREDIT.min(window / 2);
    for pair in 0..pairs {
        let subject = format!("pair.{pair}");
        let mut messages = subscribe(&subscriber, &subject).await?;
        let (room, receiving, publisher) =
            (Arc::new(Semaphore::new(window)), Arc::clone(&run), publisher.clone());
        let given = Arc::clone(&room);
        tokio::spawn(async move {
            let mut taken = 0;
            while messages.next().await.is_some() {
                receiving.count.fetch_add(1, Ordering::Relaxed);
                taken += 1;
                if taken % credit == 0 {
                    given.add_permits(credit);
                }
            }
        });
        tokio::spawn(async move {
            while let Ok(permits) = room.acquire_many(credit as u32).await {
                permits.forget();
                for _ in 0..credit {
                    if publisher.publish(subject.clone(), content()).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
    Ok(Measure::of(run.rate(arguments.span()).await))
}

/// Requests with replies in a second between half of the agents and the other half.
async fn echo(server: &Server, arguments: &Arguments) -> Result<Measure, Failure> {
    let run = Arc::new(Run::default());
    let (asking, answering) = (server.connect().await?, server.connect().await?);
    let mut askers = JoinSet::new();
    for pair in 0..(arguments.size / 2).max(1) {
        let subject = format!("pair.{pair}");
        let mut questions = subscribe(&answering, &subject).await?;
        let answering = answering.clone();
        tokio::spawn(async move {
            while let Some(question) = questions.next().await {
                if let Some(reply) = question.reply {
                    let _ = answering.publish(reply, question.payload).await;
                }
            }
        });
        for _ in 0..ASKS {
            askers.spawn(ask_again_and_again(asking.clone(), subject.clone(), Arc::clone(&run)));
        }
    }
    let value = run.rate(arguments.span()).await;
    collect(value, askers).await
}

async fn ask_again_and_again(
    client: Client,
    subject: String,
    run: Arc<Run>,
) -> Result<Histogram<u64>, Failure> {
    let mut latencies = histogram();
    while !run.has_ended() {
        let asked = Instant::now();
        client.request(subject.clone(), content()).await?;
        run.count(asked, &mut latencies)?;
    }
    Ok(latencies)
}

/// Durable messages in a second that the server acknowledged.
async fn durable(server: &Server, arguments: &Arguments) -> Result<Measure, Failure> {
    let run = Arc::new(Run::default());
    let context = jetstream::new(server.connect().await?);
    let config = stream::Config {
        name: "durable".into(),
        subjects: vec!["durable".into()],
        storage: stream::StorageType::File,
        ..stream::Config::default()
    };
    context.create_stream(config).await?;
    let mut publishers = JoinSet::new();
    for _ in 0..arguments.size {
        publishers.spawn(publish_again_and_again(context.clone(), Arc::clone(&run)));
    }
    let value = run.rate(arguments.span()).await;
    collect(value, publishers).await
}

async fn publish_again_and_again(
    context: jetstream::Context,
    run: Arc<Run>,
) -> Result<Histogram<u64>, Failure> {
    let mut latencies = histogram();
    while !run.has_ended() {
        let published = Instant::now();
        context.publish("durable", content()).await?.await?;
        run.count(published, &mut latencies)?;
    }
    Ok(latencies)
}

async fn collect(
    value: f64,
    mut tasks: JoinSet<Result<Histogram<u64>, Failure>>,
) -> Result<Measure, Failure> {
    let mut latencies = histogram();
    while let Some(done) = tasks.join_next().await {
        latencies.add(done??)?;
    }
    Ok(Measure { value, latencies: Some(latencies) })
}
