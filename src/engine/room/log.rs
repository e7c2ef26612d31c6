//! All messages, as bytes in chunks; the front can be trimmed.

use std::collections::VecDeque;

use memchr::memchr;

/// Bytes in one chunk of the log: some hundred messages.
pub(super) const CHUNK: usize = 16 * 1024;

/// A sequence of bytes whose front can be dropped. Positions count from its very beginning.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) chunks: VecDeque<Vec<u8>>,
    /// The position of the first chunk's first byte.
    pub(super) base: u64,
    pub(super) end: u64,
}

impl Log {
    /// The memory of its chunks.
    pub(super) fn memory_bytes(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// Appends a line that is made of parts; returns its length including its end.
    pub(super) fn append_line(&mut self, parts: &[&[u8]]) -> usize {
        let count = parts.iter().map(|part| part.len()).sum::<usize>() + 1;
        match self.chunks.back_mut().filter(|chunk| chunk.len() + count <= CHUNK) {
            Some(chunk) => {
                parts.iter().for_each(|part| chunk.extend_from_slice(part));
                chunk.push(b'\n');
                self.end += count as u64;
            }
            None => {
                parts.iter().for_each(|part| self.append(part));
                self.append(b"\n");
            }
        }
        count
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push_back(Vec::with_capacity(CHUNK));
            }
            let chunk = self.chunks.back_mut().expect("the last chunk has room");
            let count = bytes.len().min(CHUNK - chunk.len());
            chunk.extend_from_slice(&bytes[..count]);
            self.end += count as u64;
            bytes = &bytes[count..];
        }
    }

    /// The bytes `from..to`, if they lie in the first chunk, as nearly always.
    pub(super) fn piece(&self, from: u64, to: u64) -> Option<&[u8]> {
        self.chunks.front()?.get((from - self.base) as usize..(to - self.base) as usize)
    }

    /// Passes `from..to` to `each`, chunk by chunk.
    pub(super) fn pieces<'a>(&'a self, from: u64, to: u64, mut each: impl FnMut(&'a [u8])) {
        let mut at = from;
        while at < to {
            let offset = (at - self.base) as usize;
            let chunk = &self.chunks[offset / CHUNK][offset % CHUNK..];
            let piece = &chunk[..chunk.len().min((to - at) as usize)];
            at += piece.len() as u64;
            each(piece);
        }
    }

    /// The position after the LF that ends the line at `from`.
    pub(super) fn line_end(&self, from: u64) -> u64 {
        let mut at = from;
        while at < self.end {
            let offset = (at - self.base) as usize;
            let chunk = &self.chunks[offset / CHUNK][offset % CHUNK..];
            match memchr(b'\n', chunk) {
                Some(lf) => return at + lf as u64 + 1,
                None => at += chunk.len() as u64,
            }
        }
        self.end
    }

    pub(super) fn is_at_line_start(&self, position: u64) -> bool {
        let mut before = Some(&b'\n');
        if position > self.base {
            self.pieces(position - 1, position, |piece| before = piece.first());
        }
        before == Some(&b'\n')
    }

    /// Drops everything before `position`, except the last byte, which shows whether a line starts there. A single unused chunk is
    /// kept for the next message.
    pub(super) fn forget(&mut self, position: u64) {
        while self.chunks.len() > 1 && position > self.base + CHUNK as u64 {
            self.chunks.pop_front();
            self.base += CHUNK as u64;
        }
        if position == self.end {
            self.base = self.end;
            while self.chunks.len() > 1 {
                self.chunks.pop_back();
            }
            if let Some(chunk) = self.chunks.front_mut() {
                chunk.clear();
            }
        }
    }
}
