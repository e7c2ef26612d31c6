//! What a server does by itself as time goes on, and what fails in it.

use super::*;

impl Server {
    /// Sends what consumers have asked for.
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

    /// Heartbeats, ends of pulls, commits that come late.
    pub fn tick(&mut self, now: u64, random: &mut Random) {
        let due: Vec<Late> = if self.storing == Storing::Works {
            let (due, later) = std::mem::take(&mut self.late_ones)
                .into_iter()
                .partition(|late| late.at.is_none_or(|at| at <= now));
            self.late_ones = later;
            due
        } else {
            Vec::new()
        };
        for late in due {
            self.commit(late.client, &late.reply, late.message, now, random);
        }
        let mut told = Vec::new();
        for consumer in self.consumers.values_mut() {
            let delivered = consumer.delivered;
            let last = consumer.next - 1;
            consumer.pulls.retain_mut(|pull| {
                if pull.expires <= now {
                    let header = format!("NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: {}\r\nNats-Pending-Bytes: 1\r\n\r\n", pull.left);
                    told.push((consumer.client, pull.reply.clone(), header));
                    return false;
                }
                if pull.next_heartbeat <= now {
                    pull.next_heartbeat = now + pull.heartbeat;
                    let header = format!("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: {delivered}\r\nNats-Last-Stream: {last}\r\n\r\n");
                    told.push((consumer.client, pull.reply.clone(), header));
                }
                true
            });
        }
        for (client, reply, header) in told {
            self.send(Some(client), &reply, "", header.as_bytes(), b"");
        }
    }

    /// When [`tick`](Self::tick) has work.
    pub fn deadline(&self) -> u64 {
        let works = self.storing == Storing::Works;
        let late = self.late_ones.iter().filter(|_| works).map(|late| late.at.unwrap_or(0));
        let pulls = self.consumers.values().flat_map(|consumer| &consumer.pulls);
        late.chain(pulls.map(|pull| pull.expires.min(pull.next_heartbeat))).min().unwrap_or(u64::MAX)
    }

    /// The leader changes: what was not committed may be forgotten.
    pub fn elect(&mut self, now: u64, random: &mut Random) {
        self.late_ones.retain(|_| random.percent(50));
        self.behind_until = now + SECOND;
        self.storing = Storing::Works;
    }

    /// All processes start again: consumers in memory are gone, ids are those of what is stored.
    pub fn restart(&mut self, lost: usize) {
        self.consumers.clear();
        self.late_ones.clear();
        if let Some(stream) = &mut self.stream {
            for _ in 0..lost.min(stream.log.len()) {
                stream.log.pop_back();
            }
            if lost > 0 {
                stream.last = stream.log.back().map_or(0, |message| message.sequence);
            }
            stream.ids = stream.log.iter().map(|message| (message.id.clone(), message.sequence)).collect();
        }
    }

    pub fn forget_consumers(&mut self) {
        self.consumers.clear();
    }

    pub fn trim(&mut self, count: usize) {
        if let Some(stream) = &mut self.stream {
            stream.log.drain(..count.min(stream.log.len()));
        }
    }

    pub fn delete_stream(&mut self) {
        self.stream = None;
        self.consumers.clear();
        self.late_ones.clear();
    }

    /// A node says that it will close.
    pub fn go_lame(&mut self, node: usize) {
        self.nodes[node].is_lame = true;
        let info = self.info(node, false);
        for id in self.clients_of(node) {
            self.clients.get_mut(&id).unwrap().out.extend(info.clone().into_bytes());
        }
    }

    /// A consumer's client is gone for good: as after `inactive_threshold`.
    pub fn expire_consumers(&mut self) {
        let clients = &self.clients;
        self.consumers.retain(|_, consumer| clients.contains_key(&consumer.client));
    }
}
