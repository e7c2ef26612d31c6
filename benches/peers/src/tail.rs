//! The tail: round trips of one client of ipcd, one after the other, while the daemon does something large for others.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::client::Client;
use crate::crowd::{self, Listener};
use crate::endpoint::{Endpoint, TIMEOUT};
use crate::load::{Latency, Requests, compare};
use crate::manager::Manager;
use crate::peer::{Environment, Peer};
use crate::poller::Poller;
use crate::report::{grouped, median};
use crate::server::Server;
use crate::words::{Form, exchanges};

/// The round trips while one kind of event happened, again and again.
pub struct Row {
    pub title: String,
    /// `None`: one round trip for each event.
    pub trips: Option<Latency>,
    /// The longest round trip of each event, in µs: the median of all events.
    pub worst: f64,
    /// How long an event takes, in ms: the median.
    pub lasts: f64,
    /// The daemon's processor time for an event and the round trips beside it, in ms: the mean.
    pub cpu: Option<f64>,
}

/// How large the events are, and how often each happens.
struct Sizes {
    connections: usize,
    more: usize,
    members: usize,
    machines: usize,
    names: usize,
    events: usize,
    restarts: usize,
}

const WHOLE: Sizes = Sizes {
    connections: 9000,
    more: 1000,
    members: 5000,
    machines: 10_000,
    names: 100,
    events: 15,
    restarts: 3,
};

const QUICK: Sizes =
    Sizes { connections: 90, more: 10, members: 50, machines: 100, names: 10, events: 2, restarts: 1 };

/// New connections between two requests of the client.
const BETWEEN: usize = 16;

/// A name that grows to 18 times its length while it is compared with others: the slowest one.
const NASTY: char = '\u{fdfa}';

/// The daemon with several services, and the client.
struct Scene {
    server: Server,
    manager: Manager,
    /// The places of multiply, chat and stats.
    places: [Endpoint; 3],
    mux: Endpoint,
    client: Client,
    rows: Vec<Row>,
}

/// Measures all of them.
pub fn measure(environment: &Environment, quick: bool) -> Result<Vec<Row>> {
    let sizes = if quick { &QUICK } else { &WHOLE };
    let mut rows = Vec::new();
    let parts = [("alone", alone as Part), ("crowd", crowd), ("room", room), ("small", small)];
    for (name, part) in parts {
        let mut scene = Scene::start(environment, sizes).with_context(|| name.to_owned())?;
        part(&mut scene, sizes).with_context(|| name.to_owned())?;
        rows.append(&mut scene.rows);
    }
    Ok(rows)
}

type Part = fn(&mut Scene, &Sizes) -> Result<()>;

impl Scene {
    fn start(environment: &Environment, sizes: &Sizes) -> Result<Scene> {
        let places = [Endpoint::tcp()?, Endpoint::tcp()?, Endpoint::tcp()?];
        let mux = environment.directory.join("tail.sock");
        let file = environment.directory.join("tail.toml");
        let listen = places.iter().zip(["multiply", "chat", "stats"]).map(|(place, name)| match place {
            Endpoint::Tcp(port) => format!("[{name}]\nlisten = [\"tcp://127.0.0.1:{port}\"]\n"),
            _ => String::new(),
        });
        let listen: String = listen.collect();
        fs::write(
            &file,
            format!(
                "[limits]\nmax_connections = {}\nmax_connections_per_address = 0\n{listen}max_machines = {}\n\
                 [mux]\nlisten = [\"unix://{}\"]\n",
                environment.descriptors - 1000,
                sizes.machines,
                mux.display()
            ),
        )?;
        let mut command = Command::new(&environment.ipcd);
        command.arg("--config").arg(file);
        let mut manager = Manager::new(environment, command)?;
        let mut server = manager.start(places[0].clone())?;
        server.wait()?;
        let stream = places[0].connect()?;
        stream.set_nonblocking(true)?;
        let client = Client::new(stream, Peer::Ipcd);
        Ok(Scene { server, manager, places, mux: Endpoint::Unix(mux), client, rows: Vec::new() })
    }

    /// Lets something happen several times, each time until it is over.
    fn event(
        &mut self,
        title: String,
        times: usize,
        mut happen: impl FnMut(&mut Client) -> Result<()>,
    ) -> Result<()> {
        let (mut all, mut worst, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        let before = self.server.cpu()?;
        for _ in 0..times {
            let start = Instant::now();
            happen(&mut self.client).with_context(|| title.clone())?;
            lasts.push(start.elapsed().as_secs_f64() * 1e3);
            worst.push(self.client.times.iter().max().map_or(0.0, |&time| f64::from(time) / 1e3));
            all.append(&mut self.client.times);
        }
        let [worst, lasts] = [worst, lasts].map(|values| median(values.into_iter()));
        let cpu = Some((self.server.cpu()? - before).as_secs_f64() * 1e3 / times as f64);
        self.rows.push(Row { title, trips: Latency::of(all), worst, lasts, cpu });
        Ok(())
    }
}

/// Nobody else is there. Each event is as long as a large one.
fn alone(scene: &mut Scene, sizes: &Sizes) -> Result<()> {
    scene.event("nothing".to_owned(), sizes.events, |client| {
        let end = Instant::now() + Duration::from_millis(20);
        client.ask_until(|| Ok(Instant::now() >= end))
    })
}

/// With many idle connections.
fn crowd(scene: &mut Scene, sizes: &Sizes) -> Result<()> {
    let place = scene.places[0].clone();
    let count = sizes.connections;
    let crowd = Requests::connect(&place, count, exchanges(Peer::Ipcd, 1, Form::Lines), 1)?;
    let mut control = Listener::connect(&scene.mux, "control\nnotify\n")?;
    control.wait("")?;
    let title = format!("a reload, with {} connections", grouped(count));
    scene.event(title, sizes.events, |client| {
        control.say("reload\n")?;
        client.ask_until(|| control.has_heard("OK"))
    })?;

    let exchange = exchanges(Peer::Ipcd, 1, Form::Lines)[0].clone();
    let (mut kept, mut nth) = (Vec::new(), 0);
    let title = format!("{} new connections at once, each with a request", grouped(sizes.more));
    scene.event(title, sizes.events, |client| {
        kept = Vec::with_capacity(sizes.more);
        let mut poller = Poller::new()?;
        for at in 0..sizes.more {
            let mut stream = place.connect_shortly(nth, None)?;
            nth += 1;
            stream.write_all(&exchange.request)?;
            poller.add(&stream, at)?;
            kept.push(stream);
            if at % BETWEEN == 0 {
                client.ask()?;
            }
        }
        client.ask_until(|| Ok(poller.look(0)? == kept.len()))?;
        kept.iter_mut().try_for_each(|stream| {
            let mut heard = vec![0; exchange.reply.len()];
            stream.read_exact(&mut heard)?;
            compare(&heard, &exchange.reply)
        })
    })?;

    let mut status = Listener::connect(&scene.mux, "status\n")?;
    status.wait("}")?;
    let title = format!("a status report of {} connections", grouped(count + sizes.more));
    scene.event(title, sizes.events, |client| {
        status.say("again\n")?;
        client.ask_until(|| status.has_heard("}"))
    })?;
    drop(kept);
    restart(scene, sizes)?;
    drop(crowd);
    Ok(())
}

/// The daemon hands its connections over to its successor. The client has one request on the way.
fn restart(scene: &mut Scene, sizes: &Sizes) -> Result<()> {
    let (mut pauses, mut lasts) = (Vec::new(), Vec::new());
    for _ in 0..sizes.restarts {
        let mut control = Listener::connect(&scene.mux, "control\nnotify\n")?;
        control.wait("")?;
        let start = Instant::now();
        control.say("handover\n")?;
        // A request that the old process still answers would tell nothing.
        scene.manager.wait_for_handover(&mut scene.server)?;
        let since = scene.client.say()?;
        scene.server = scene.manager.start(scene.places[0].clone())?;
        scene.client.hear(since)?;
        pauses.push(start.elapsed().as_secs_f64() * 1e6);
        lasts.push(start.elapsed().as_secs_f64() * 1e3);
        scene.manager.receive()?;
    }
    let [worst, lasts] = [pauses, lasts].map(|values| median(values.into_iter()));
    let title = format!("a restart, with {} connections handed over", grouped(sizes.connections));
    scene.rows.push(Row { title, trips: None, worst, lasts, cpu: None });
    Ok(())
}

/// With a full room.
fn room(scene: &mut Scene, sizes: &Sizes) -> Result<()> {
    let place = scene.places[1].clone();
    let mut members = crowd::fill_room(&place, sizes.members)?;
    let curious = members.last_mut().context("somebody")?;
    let everybody = format!("({})", sizes.members);
    let title = format!("/who in a room of {}", grouped(sizes.members));
    scene.event(title, sizes.events, |client| {
        curious.say("/who\n")?;
        client.ask_until(|| curious.has_heard(&everybody))
    })
}

/// With as many machines as there can be, and with names that take the longest.
fn small(scene: &mut Scene, sizes: &Sizes) -> Result<()> {
    let [_, chat, stats] = &scene.places;
    let mut stats = Listener::connect(stats, "")?;
    let report = |nth: usize| format!("{{\"host\":\"pc{nth:05}\",\"cpu_percent\":12.5}}\n");
    let mut said = 0;
    while said < sizes.machines {
        // As many at once as the sockets hold.
        let some = (said + 100).min(sizes.machines);
        stats.say(&(said..some).map(report).collect::<String>())?;
        let wanted = (some - said) * "Data received\n".len();
        let deadline = Instant::now() + TIMEOUT;
        while stats.heard.len() < wanted {
            stats.has_heard("")?;
            ensure!(Instant::now() < deadline, "not all reports were taken: {}", stats.heard.escape_ascii());
        }
        said = some;
    }
    let all = format!("{{\"machines\":{}}}", sizes.machines);
    let mut chat = Listener::connect(chat, "")?;
    let name = NASTY.to_string().repeat(32);
    let mut first = Listener::connect(&scene.places[1], &format!("{name}\n"))?;
    first.wait("Welcome")?;

    scene.event(format!("a list of {} machines", grouped(sizes.machines)), sizes.events, |client| {
        stats.say("latest\n")?;
        client.ask_until(|| stats.has_heard(&all))
    })?;
    let mut nth = sizes.machines;
    let title = format!("a new machine beside {}, which replaces one", grouped(sizes.machines));
    scene.event(title, sizes.events, |client| {
        stats.say(&report(nth))?;
        nth += 1;
        client.ask_until(|| stats.has_heard("Data received"))
    })?;
    chat.wait("")?;
    let title = "the name that takes longest to compare, and is taken".to_owned();
    for (title, names) in [(title, 1), (format!("{} such names in one write", sizes.names), sizes.names)] {
        scene.event(title, sizes.events, |client| {
            chat.say(&format!("{name}\n").repeat(names))?;
            client.ask_until(|| {
                chat.has_heard("")?;
                Ok(chat.heard.iter().filter(|&&byte| byte == b'\n').count() == names)
            })
        })?;
    }
    Ok(())
}
