// What a model's outputs mean.

export function softmax(logits) {
  const largest = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const exponentials = Float64Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

// The probability of a logit by itself; no exponential overflows.
export function sigmoid(logit) {
  const small = Math.exp(-Math.abs(logit));
  return (logit >= 0 ? 1 : small) / (1 + small);
}

// Probabilities of a manifest's outputs.
export function probabilities(manifest, outputs) {
  if (manifest.output.activation !== "none") return Float64Array.from(outputs);
  return manifest.task === "multilabel" ? Float64Array.from(outputs, sigmoid) : softmax(outputs);
}

// The best classes, best first; equal ones in the order of their indices.
export function topClasses(manifest, labels, outputs, count) {
  const shares = probabilities(manifest, outputs);
  return Array.from(outputs.keys())
    .sort((a, b) => outputs[b] - outputs[a] || a - b)
    .slice(0, count)
    .map((index) => ({ index, label: labels[index], probability: shares[index] }));
}
