// From a detection head's answer to the objects that remain: the same as boxes.py. Boxes are
// (x1, y1, x2, y2) as shares of the image; class 0 is the background.

const BOX_VALUES = 4;
const BACKGROUND = 0;
const DETECTION_VALUES = BOX_VALUES + 2;

// The detections, the surest first: { label, score, box }. `rows` is [count, 4 + classes], as
// head.answer says; what is compared is bounded by head.boxes.candidates of each class. Where the model
// has done it, it is [count, 6].
export function detect(head, rows, [count, width]) {
  if (head.answer === "nms") return remaining(rows, count);
  const rules = head.boxes;
  const { corners, scores } = head.answer === "raw" ? decoded(rules, rows, count, width) : { corners: rows, scores: rows };
  const least = Math.fround(rules.score);
  const found = [];
  for (let label = BACKGROUND + 1; label < width - BOX_VALUES; label++) {
    const score = (row) => scores[row * width + BOX_VALUES + label];
    const likely = [];
    for (let row = 0; row < count; row++) if (score(row) > least) likely.push(row);
    const candidates = likely.sort((a, b) => score(b) - score(a)).slice(0, rules.candidates);
    const boxes = candidates.map((row) => ({ label, score: score(row), box: corners.slice(row * width, row * width + BOX_VALUES) }));
    found.push(...apart(boxes, rules.overlap));
  }
  return found.sort((a, b) => b.score - a.score).slice(0, rules.detections);
}

// Rows of corners, score and label; rows of zeros follow the last detection.
function remaining(rows, count) {
  return Array.from({ length: count }, (_, row) => rows.subarray(row * DETECTION_VALUES, (row + 1) * DETECTION_VALUES))
    .filter((row) => row[BOX_VALUES] > 0)
    .map((row) => ({ label: row[BOX_VALUES + 1], score: row[BOX_VALUES], box: row.slice(0, BOX_VALUES) }));
}

// Those that overlap no better one that is kept by more than `overlap`; the best come first.
function apart(boxes, overlap) {
  const kept = [];
  for (const candidate of boxes) {
    if (kept.every((better) => intersectionOverUnion(better.box, candidate.box) <= overlap)) kept.push(candidate);
  }
  return kept;
}

function intersectionOverUnion(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  const shared = Math.max(width, 0) * Math.max(height, 0);
  const union = area(a) + area(b) - shared;
  // A pair without area has no overlap, as it has none in CVNets.
  return union > 0 ? shared / union : 0;
}

const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);

// What a head says of its anchors as corners and probabilities, in rows of the same width.
function decoded(rules, rows, count, width) {
  const corners = new Float32Array(count * width);
  const scores = new Float32Array(count * width);
  anchors(rules).forEach(([centerX, centerY, anchorWidth, anchorHeight], row) => {
    const at = row * width;
    const x = rows[at] * rules.center_variance * anchorWidth + centerX;
    const y = rows[at + 1] * rules.center_variance * anchorHeight + centerY;
    const halfWidth = (Math.exp(rows[at + 2] * rules.size_variance) * anchorWidth) / 2;
    const halfHeight = (Math.exp(rows[at + 3] * rules.size_variance) * anchorHeight) / 2;
    corners.set([x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], at);
    const logits = rows.subarray(at + BOX_VALUES, at + width);
    const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
    const exponentials = logits.map((logit) => Math.exp(logit - largest));
    const sum = exponentials.reduce((total, value) => total + value, 0);
    scores.set(exponentials.map((value) => value / sum), at + BOX_VALUES);
  });
  return { corners, scores };
}

// Every anchor as (center x, center y, width, height), clipped to 0..1 (SSD section 2.2, with CVNets'
// own scales).
export function anchors({ maps, ratios, scales: [low, high] }) {
  const steps = ratios.length;
  const scale = (index) => (index === steps ? high : low + index * ((high - low) / steps));
  return maps.flatMap(([height, width], index) => {
    const between = Math.sqrt(scale(index) * scale(index + 1));
    const sizes = [[scale(index), scale(index)], [between, between]];
    for (const ratio of ratios[index]) {
      const long = scale(index) * Math.sqrt(ratio);
      const short = scale(index) / Math.sqrt(ratio);
      sizes.push([long, short], [short, long]);
    }
    const cells = Array.from({ length: height * width }, (_, cell) => [((cell % width) + 0.5) / width, (Math.floor(cell / width) + 0.5) / height]);
    return cells.flatMap((center) => sizes.map((size) => [...center, ...size].map((value) => Math.fround(Math.min(Math.max(value, 0), 1)))));
  });
}
