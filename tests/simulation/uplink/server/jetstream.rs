//! A cluster's answers about its stream and its consumers, and what consumers deliver.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::super::super::random::Random;
use super::{Consumer, Late, Pull, Server, Stored, Storing, Stream, Version, fits, write};

impl Server {
    pub(super) fn store(
        &mut self,
        client: usize,
        (subject, reply, id): (&str, &str, &str),
        payload: &[u8],
        now: u64,
        random: &mut Random,
    ) {
        let Some(stream) = &self.stream else {
            self.seen.insert("uplink: published without a stream");
            self.send(Some(client), reply, "", b"NATS/1.0 503\r\nNats-Subject: x\r\n\r\n", b"");
            return;
        };
        let message = Stored {
            sequence: 0,
            time: now,
            subject: subject.into(),
            payload: payload.to_vec(),
            id: id.into(),
        };
        match self.storing {
            Storing::Refuses => {
                self.seen.insert("uplink: 503");
                self.send(Some(client), reply, "", b"NATS/1.0 503\r\n\r\n", b"");
            }
            Storing::Silent => {
                self.seen.insert("uplink: silence");
                if random.percent(50) {
                    self.late_ones.push(Late { client, reply: reply.into(), message, at: None });
                }
            }
            Storing::Works if stream.ids.contains_key(id) => {
                self.seen.insert("uplink: duplicate");
                let sequence = stream.ids[id];
                self.json(client, reply, &json!({"stream": "S", "seq": sequence, "duplicate": true}));
            }
            Storing::Works if self.late_ones.iter().any(|late| late.message.id == id) => {
                self.seen.insert("uplink: repeated before the commit");
                match self.version {
                    // It waits for the first one, which is never stored after it.
                    Version::V2_9 => {
                        let at = self
                            .late_ones
                            .iter()
                            .rfind(|late| late.message.id == id)
                            .and_then(|late| late.at);
                        self.late_ones.push(Late { client, reply: reply.into(), message, at });
                    }
                    Version::V2_10 => {
                        self.json(client, reply, &json!({"stream": "S", "seq": 0, "duplicate": true}))
                    }
                    Version::V2_15 => {
                        self.error(client, reply, 409, 10158, "duplicate message id is in process")
                    }
                }
            }
            Storing::Works if random.below(1000) < self.final_refusals => {
                self.seen.insert("uplink: refused for good");
                if random.percent(30) {
                    let text = format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n");
                    self.clients.get_mut(&client).unwrap().out.extend(text.into_bytes());
                } else {
                    self.error(client, reply, 503, 10077, "maximum messages exceeded");
                }
            }
            Storing::Works if random.percent(self.late) => {
                self.seen.insert("uplink: committed late");
                let at = now + random.within(1, 4_000_000) as u64;
                self.late_ones.push(Late { client, reply: reply.into(), message, at: Some(at) });
            }
            Storing::Works => self.commit(client, reply, message, now, random),
        }
    }

    pub(super) fn commit(
        &mut self,
        client: usize,
        reply: &str,
        mut message: Stored,
        now: u64,
        random: &mut Random,
    ) {
        let Some(stream) = &mut self.stream else { return };
        if let Some(sequence) = stream.ids.get(&message.id).copied() {
            return self.json(client, reply, &json!({"stream": "S", "seq": sequence, "duplicate": true}));
        }
        stream.last += 1;
        (message.sequence, message.time) = (stream.last, now);
        stream.ids.insert(message.id.clone(), stream.last);
        let sequence = stream.last;
        stream.log.push_back(message);
        self.json(client, reply, &json!({"stream": "S", "seq": sequence}));
        self.deliver(now, random);
    }

    pub(super) fn api(
        &mut self,
        client: usize,
        request: &str,
        reply: &str,
        payload: &[u8],
        now: u64,
        random: &mut Random,
    ) {
        if self.storing != Storing::Works && !request.starts_with("CONSUMER.MSG.NEXT") {
            if self.storing == Storing::Silent && random.percent(30) {
                self.error(client, reply, 503, 10008, "JetStream system temporarily unavailable");
            }
            return;
        }
        let parts: Vec<&str> = request.split('.').collect();
        match parts.as_slice() {
            ["STREAM", "INFO", _] => match &self.stream {
                None => self.error(client, reply, 404, 10059, "stream not found"),
                Some(stream) => {
                    let behind = if now < self.behind_until { random.below(3) as u64 } else { 0 };
                    let reply_of = about(stream, stream.last.saturating_sub(behind), false);
                    self.json(client, reply, &reply_of);
                }
            },
            ["STREAM", "CREATE", _] => {
                let did_create = self.stream.is_none();
                if did_create {
                    self.made += 1;
                    self.stream =
                        Some(Stream { created: format!("made-{}", self.made), ..Stream::default() });
                }
                let stream = self.stream.as_ref().unwrap();
                let reply_of = about(stream, stream.last, did_create);
                self.json(client, reply, &reply_of);
            }
            ["CONSUMER", "CREATE", _, name, ..] => {
                let Some(stream) = &self.stream else {
                    return self.error(client, reply, 404, 10059, "stream not found");
                };
                let wanted: Value = serde_json::from_slice(payload).unwrap();
                let wanted = &wanted["config"];
                let filter = wanted["filter_subject"].as_str().unwrap().to_owned();
                let next = wanted["opt_start_seq"].as_u64().unwrap();
                let pending = stream
                    .log
                    .iter()
                    .filter(|message| message.sequence >= next && message.subject == filter)
                    .count();
                let consumer = Consumer { client, filter, next, delivered: 0, pulls: VecDeque::new() };
                assert!(
                    self.consumers.insert((*name).to_owned(), consumer).is_none(),
                    "a consumer's name was used twice"
                );
                self.json(client, reply, &json!({"name": name, "num_pending": pending}));
            }
            ["CONSUMER", "DELETE", _, name] => {
                self.consumers.remove(*name);
                self.json(client, reply, &json!({"success": true}));
            }
            ["CONSUMER", "MSG", "NEXT", _, name] => {
                let wanted: Value = serde_json::from_slice(payload).unwrap();
                let Some(consumer) = self.consumers.get_mut(*name) else {
                    if self.version != Version::V2_9 {
                        self.send(Some(client), reply, "", b"NATS/1.0 503\r\n\r\n", b"");
                    }
                    return;
                };
                let micros = |name: &str| wanted[name].as_u64().unwrap() / 1000;
                consumer.pulls.push_back(Pull {
                    reply: reply.into(),
                    left: wanted["batch"].as_u64().unwrap(),
                    bytes: wanted["max_bytes"].as_u64().unwrap_or(u64::MAX),
                    expires: now + micros("expires"),
                    heartbeat: micros("idle_heartbeat"),
                    next_heartbeat: now + micros("idle_heartbeat"),
                });
                assert!(consumer.pulls.len() <= 8, "pulls are heaped up");
                self.deliver(now, random);
            }
            _ => panic!("unknown request: {request}"),
        }
    }

    /// Sends what was requested through consumers.
    pub(super) fn deliver(&mut self, now: u64, random: &mut Random) {
        let Some(stream) = &self.stream else { return };
        for (name, consumer) in &mut self.consumers {
            let Some(client) = self.clients.get_mut(&consumer.client) else { continue };
            let first = stream.first();
            if consumer.next < first {
                consumer.next = first;
            }
            let start = (consumer.next - first) as usize;
            let waiting: Vec<&Stored> =
                stream.log.iter().skip(start).filter(|message| message.subject == consumer.filter).collect();
            let count = waiting.len();
            for (at, message) in waiting.into_iter().enumerate() {
                let Some(pull) = consumer.pulls.front_mut() else { break };
                let size = message.payload.len() as u64;
                if size > pull.bytes {
                    let header = format!(
                        "NATS/1.0 409 Message Size Exceeds MaxBytes\r\nNats-Pending-Messages: {}\r\nNats-Pending-Bytes: {}\r\n\r\n",
                        pull.left, pull.bytes
                    );
                    let reply = pull.reply.clone();
                    consumer.pulls.pop_front();
                    for (_, number) in client.subs.iter().filter(|(pattern, _)| fits(pattern, &reply)) {
                        write(&mut client.out, &reply, *number, "", header.as_bytes(), b"");
                    }
                    break;
                }
                pull.bytes -= size;
                pull.left -= 1;
                pull.next_heartbeat = now + pull.heartbeat;
                consumer.next = message.sequence + 1;
                consumer.delivered += 1;
                let pending = count - at - 1;
                let reply = format!(
                    "$JS.ACK.S.{name}.1.{}.{}.{}.{pending}",
                    message.sequence,
                    consumer.delivered,
                    message.time * 1000
                );
                let is_lost = random.below(1000) < self.lost;
                for (_, number) in
                    client.subs.iter().filter(|(pattern, _)| fits(pattern, &pull.reply) && !is_lost)
                {
                    write(&mut client.out, &message.subject, *number, &reply, b"", &message.payload);
                }
                if is_lost {
                    self.seen.insert("uplink: delivery lost");
                }
                if pull.left == 0 {
                    consumer.pulls.pop_front();
                }
            }
        }
    }
}

fn about(stream: &Stream, last: u64, did_create: bool) -> Value {
    let mut reply = json!({"type": "x", "created": stream.created, "config": {"name": "S", "subjects": ["ipcd.h.room.*"],
        "retention": "limits", "max_msg_size": 65536, "num_replicas": 1, "max_age": 86_400_000_000_000_u64, "max_msgs": 100_000, "max_bytes": 67_108_864},
        "state": {"messages": stream.log.len(), "first_seq": stream.first(), "last_seq": last}});
    if did_create {
        reply["did_create"] = true.into();
    }
    reply
}
