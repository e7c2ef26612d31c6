#!/usr/bin/env bash
# parse-prometheus-text-format 1.1.1 (npm) cannot read a histogram or summary with labels of its own: of the series of
# prom-client 15.1.3 (npm), one for each method, it keeps only the last one's buckets, without the method, and loses all sums
# and counts, without an error. In Prometheus's text format (exposition_formats.md, "Histograms and summaries") each line has
# the labels; the README aims at prom2json's output, which has a metric with "labels" for each. A histogram without labels, as
# in the README's example, is complete.
# It also reads the comment "#text" as a metric without a value (format: a line that starts with "#" after any spaces
# is a comment), and loses the timestamps of a histogram's samples.
# prom2javascript 0.2.0 (npm) reads the whole histogram, but raises an exception at NaN, which summaries of Go programs contain
# when nothing was observed, and at a colon in a name (data model: colons are for recording rules).
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y > /dev/null
npm install --silent --no-audit --no-fund parse-prometheus-text-format@1.1.1 prom-client@15.1.3 prom2javascript@0.2.0
cat > run.js <<'JS'
const assert = require('assert');
const parse = require('parse-prometheus-text-format');
const { getMetricsFromIterator } = require('prom2javascript/dist/prom.js');
const { Histogram, Registry, Summary } = require('prom-client');

async function written(labelNames) {
  const registers = [new Registry()];
  const histogram = new Histogram({ name: 'seconds', help: 'h', labelNames, buckets: [0.1, 1], registers });
  const summary = new Summary({ name: 'bytes', help: 's', labelNames, percentiles: [0.5], registers });
  for (const [method, seconds, bytes] of [['GET', 0.05, 20], ['POST', 0.5, 20], ['POST', 2, 20]]) {
    const labels = labelNames.length ? { method } : {};
    histogram.observe(labels, seconds);
    summary.observe(labels, bytes);
  }
  return registers[0].metrics();
}
const metrics = text => Object.fromEntries(parse(text).map(({ name, metrics }) => [name, metrics]));
const second = async text => {
  try { return await getMetricsFromIterator(text.trimEnd().split('\n').values()); } catch (error) { return error.message; }
};
(async () => {
  const text = await written(['method']);
  console.log(text);
  const seen = {
    'without labels': metrics(await written([])),
    'with labels': metrics(text),
    comment: metrics('#text\nup 1\n'),
    times: metrics('# TYPE a histogram\na_bucket{le="+Inf"} 2 1395066363000\na_sum 3 1395066363000\na_count 2 1395066363000\n'),
  };
  for (const what in seen) console.log(`${what}:`, JSON.stringify(seen[what]));
  assert.deepStrictEqual(seen, {
    'without labels': {
      seconds: [{ buckets: { 0.1: '1', 1: '2', '+Inf': '3' }, sum: '2.55', count: '3' }],
      bytes: [{ quantiles: { 0.5: '20' }, sum: '60', count: '3' }],
    },
    'with labels': {
      seconds: [{ buckets: { 0.1: '0', 1: '1', '+Inf': '2' } }],
      bytes: [{ quantiles: { 0.5: '20' } }],
    },
    comment: { '#text': [{ value: '' }], up: [{ value: '1' }] },
    times: { a: [{ buckets: { '+Inf': '2' }, sum: '3', count: '2' }] },
  }, 'this has changed');
  const others = [
    (await second(text)).seconds?.data.map(({ labels, count }) => `${labels.method} ${count}`),
    (await second('up 1\nload NaN\n')), (await second('up 1\njob:up:sum 1\n'))];
  console.log('prom2javascript:', others);
  assert.deepStrictEqual(others, [['GET 1', 'POST 2'], 'Unable to parse metric [load NaN]',
    'Unable to parse metric [job:up:sum 1]'], 'this has changed');
})().catch(error => { console.error(error); process.exit(1); });
JS
timeout 60 node run.js
