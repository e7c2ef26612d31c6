//! Status reports and watchers' events, sent piece by piece: a piece of each in a turn, as fast as its reader keeps up.

use super::client::Client;
use super::codec::{Encoding, prefixed, websocket};
use super::figures::{FIGURES_AGE_MAX, Figures};
use super::message::{ConnectionId, Timestamp};
use super::metrics::{self, Snapshot};
use super::room_report::RoomReport;
use super::roster::Entry;
use super::service::Service;
use super::service::mux;
use super::service::page::MetricsRequest;
use super::service::status::{self, ClientPart, EndpointPart, ErrorPart, HintPart, MachinePart, Progress};
use super::service::watch::TraceEvent;
use super::{Engine, limits};

impl Engine {
    /// Continues the reports that can go on; those that get no turn stay in the list.
    pub(super) fn go_on_reporting(&mut self, now: Timestamp) {
        let mut budget = limits::STATUS_PARTS_PER_TURN;
        for _ in 0..self.reporting.len() {
            if budget == 0 {
                return;
            }
            let Some(peer) = self.reporting.pop(|peer| self.sessions.membership(peer)) else { continue };
            let Some(session) = self.sessions.get(peer) else { continue };
            let Some(progress) = session.report().filter(|_| session.can_report()) else { continue };
            let remote = session.remote();
            if matches!(progress, Progress::Begun | Progress::Metrics(_)) && self.lacks_figures(now) {
                self.wants_figures = true;
                if let Some(session) = self.sessions.get_mut(peer) {
                    self.reporting.push(peer, session.membership());
                }
                continue;
            }
            let mut text = Vec::new();
            let may_watch = session.has_shown_token()
                || mux::refusal(&self.shared.settings, Service::Watch, remote, None).is_none();
            let progress = match progress {
                Progress::Tallies(at) => Some(self.take_tallies(at, &mut budget)),
                _ => self.write_report(now, progress, may_watch, &mut text, &mut budget),
            };
            self.with(now, peer, |session, shared| session.go_on_reporting(shared, now, &text, progress));
        }
    }

    /// Whether to ask for figures of the process. (An engine in a test may be in none.)
    fn lacks_figures(&self, now: Timestamp) -> bool {
        let is_old = |at: Timestamp| now.since(at) >= FIGURES_AGE_MAX;
        self.shared.settings.pid.is_some() && self.shared.figures.as_ref().is_none_or(|(at, _)| is_old(*at))
    }

    /// Writes the next piece of a report. Returns the position after it, or `None` at the end.
    fn write_report(
        &self,
        now: Timestamp,
        progress: Progress,
        may_watch: bool,
        out: &mut Vec<u8>,
        budget: &mut usize,
    ) -> Option<Progress> {
        let settings = &self.shared.settings;
        let mut progress = progress;
        while *budget > 0 && out.len() < limits::STATUS_PIECE_BYTES {
            *budget -= 1;
            progress = match progress {
                Progress::Begun => {
                    self.write_head(now, out);
                    Progress::Endpoints(0)
                }
                Progress::Endpoints(at) => match settings.endpoints.get(at as usize) {
                    Some((endpoint, service)) => {
                        status::write_element(
                            out,
                            at == 0,
                            &EndpointPart { endpoint, service: service.name() },
                        );
                        Progress::Endpoints(at + 1)
                    }
                    None => {
                        status::write_turn_to_connections(out);
                        Progress::Connections(0, false)
                    }
                },
                Progress::Metrics(request) => {
                    self.write_metrics(now, request, out);
                    return None;
                }
                // Before connections are reported, the roster gets their latest counts.
                Progress::Connections(at, _) if at as usize >= self.sessions.end() && may_watch => {
                    status::write_turn_to_clients(out);
                    return Some(Progress::Tallies(0));
                }
                Progress::Connections(at, _) if at as usize >= self.sessions.end() => {
                    status::write_end(out);
                    return None;
                }
                Progress::Tallies(_) => return Some(progress),
                Progress::ClientsAlone => {
                    status::write_head_of_clients(out, may_watch);
                    return may_watch.then_some(Progress::Tallies(0));
                }
                Progress::Clients(at) => return self.write_clients(now, at, out, budget),
                Progress::Connections(at, written) => {
                    let session = self.sessions.at(at as usize);
                    if let Some(session) = session {
                        status::write_element(out, !written, &session.describe(&self.shared, now));
                    }
                    Progress::Connections(at + 1, written || session.is_some())
                }
            };
        }
        Some(progress)
    }

    /// Writes the addresses and users from this one on.
    fn write_clients(
        &self,
        now: Timestamp,
        from: u32,
        out: &mut Vec<u8>,
        budget: &mut usize,
    ) -> Option<Progress> {
        for (at, (client, entry)) in (from..).zip(self.shared.roster.iter().skip(from as usize)) {
            if *budget == 0 || out.len() >= limits::STATUS_PIECE_BYTES {
                return Some(Progress::Clients(at));
            }
            status::write_element(out, at == 0, &self.describe_client(now, client, entry));
            *budget -= 1;
        }
        status::write_end(out);
        None
    }

    /// Reports to the roster what connections have done, as far as the budget goes. Returns the position after it.
    fn take_tallies(&mut self, from: u32, budget: &mut usize) -> Progress {
        let to = self.sessions.end().min(from as usize + *budget);
        *budget -= to - (from as usize).min(to);
        for session in self.sessions.range_mut(from as usize, to) {
            session.report_tally(&mut self.shared);
        }
        match to == self.sessions.end() {
            true => Progress::Clients(0),
            false => Progress::Tallies(to as u32),
        }
    }

    fn describe_client<'a>(&self, now: Timestamp, client: Client, entry: &'a Entry) -> ClientPart<'a> {
        let machine = entry.host.as_deref().and_then(|host| self.shared.machines.last(host));
        ClientPart {
            client: client.to_string(),
            name: entry.name.as_deref(),
            certificate: entry.certificate.as_deref(),
            host: entry.host.as_deref(),
            connections: entry.connections,
            connections_total: entry.connections_total,
            requests: entry.requests,
            errors: entry.errors,
            seen: now.since(entry.seen).as_secs_f64(),
            hint: entry.hint.as_ref().map(|hint| HintPart {
                mistake: hint.mistake.name(),
                text: &hint.text,
                service: hint.service.name(),
                age: now.since(hint.at).as_secs_f64(),
                is_open: !hint.is_over,
            }),
            error: entry.error.as_ref().map(|error| ErrorPart {
                text: &error.text,
                service: error.service.name(),
                age: now.since(error.at).as_secs_f64(),
                is_open: !error.is_over,
            }),
            machine: machine.map(|&(at, sample)| MachinePart {
                age: now.since(at).as_secs_f64(),
                cpu_percent: sample.cpu_percent,
                memory_percent: sample.memory_percent,
                load: sample.loads.map(|loads| loads[0]),
            }),
        }
    }

    fn write_metrics(&self, now: Timestamp, request: MetricsRequest, out: &mut Vec<u8>) {
        let shared = &self.shared;
        let snapshot = Snapshot {
            now,
            uptime: now.since(Timestamp::default()),
            counters: &shared.counters,
            connections: &shared.connection_counts,
            room: (shared.room.len(), shared.room.log_bytes()),
            shared_room: self.shared_room(),
            figures: shared.figures.as_ref().map(|(_, figures)| figures.clone()).unwrap_or_default(),
            memory_max: shared.settings.memory_bytes_max,
        };
        request.write(&metrics::text(request.form, &snapshot), out);
    }

    /// The state of a shared room.
    #[cfg(feature = "nats")]
    fn shared_room(&self) -> Option<RoomReport> {
        self.sharing().map(|sharing| sharing.report())
    }

    #[cfg(not(feature = "nats"))]
    fn shared_room(&self) -> Option<RoomReport> {
        None
    }

    fn write_head(&self, now: Timestamp, out: &mut Vec<u8>) {
        let shared = &self.shared;
        let services = Service::ALL.into_iter().map(|service| {
            let rates = shared.rates.of(now, &shared.counters, service);
            (service.name(), shared.connection_counts.of(service), *shared.counters.of(service), rates)
        });
        let unknown = Figures::default();
        let figures = shared.figures.as_ref().map_or(&unknown, |(_, figures)| figures);
        let room = (shared.room.len(), shared.room.log_bytes());
        let uptime = now.since(Timestamp::default());
        let daemon = (shared.settings.pid, shared.settings.memory_bytes_max);
        status::write_head(
            out,
            daemon,
            (figures, now),
            uptime,
            (room, self.shared_room()),
            &shared.counters,
            services,
        );
    }

    /// Shows events to watchers.
    pub(super) fn show_events(&mut self, now: Timestamp) {
        if !self.shared.event_ring.take_pending() {
            return;
        }
        for peer in self.shared.event_ring.watchers().collect::<Vec<_>>() {
            self.with(now, peer, |session, shared| session.show(shared, limits::WATCH_EVENTS_PER_TURN));
        }
    }

    /// Shows watchers the bytes that the kernel accepted for a peer: the beginning of the current offer.
    pub(super) fn show_reply(&mut self, peer: ConnectionId, bytes: usize) {
        let Some(session) = self.sessions.get(peer).filter(|session| session.is_seen(&self.shared)) else {
            return;
        };
        if session.service() == Service::Status {
            return; // watchers do not see reports
        }
        let encoding = session.encoding();
        let mut head = Vec::new();
        for slice in self.outgoing(peer).slices() {
            let room = bytes.min(limits::WATCH_REPLY_BYTES).saturating_sub(head.len());
            head.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let Some(session) = self.sessions.get(peer) else { return };
        // Its own replies come first, then the room's messages.
        let own = head.len().min(session.outbox().ready(session.encoding()).len());
        let room_has_private =
            session.member_id().is_some_and(|member_id| self.shared.room.offers_private(member_id));
        let (own, rooms) = head.split_at(own);
        let parts = [(own, session.may_hold_private()), (rooms, room_has_private)];
        let replies = parts.into_iter().flat_map(|(part, is_private)| {
            let replies = sent_messages(encoding, part).into_iter();
            replies.filter(|reply| !reply.is_empty()).map(move |reply| (reply, is_private))
        });
        for (reply, is_private) in replies.take(limits::WATCH_REPLIES_PER_WRITE) {
            let reply = reply.strip_suffix(b"\r").unwrap_or(reply);
            session.show_to_watchers(&mut self.shared, || TraceEvent::replied(reply, is_private));
        }
    }
}

/// The messages in the sent bytes.
fn sent_messages(encoding: Encoding, mut bytes: &[u8]) -> Vec<&[u8]> {
    match encoding {
        Encoding::Lines | Encoding::Telnet => bytes.split(|byte| *byte == b'\n').collect(),
        Encoding::C => bytes.split(|byte| *byte == 0).collect(),
        Encoding::Raw | Encoding::Packets => vec![bytes],
        Encoding::WebSocket => websocket::texts(bytes),
        Encoding::Http => bytes.split(|byte| *byte == b'\n').take(1).collect(),
        Encoding::Prefixed(prefix) => {
            let mut messages = Vec::new();
            while let Some(found) = prefixed::find(prefix, bytes) {
                messages.push(&bytes[found.start..found.end]);
                bytes = &bytes[found.taken..];
            }
            messages
        }
    }
}
