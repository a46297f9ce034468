package org.mobilevitedge.core

import kotlin.math.abs
import kotlin.math.exp

/** One class of an answer: [value] is the model's output, [probability] what [Scores] make of it. */
data class ClassScore(val index: Int, val label: String, val value: Float, val probability: Double)

object TopClasses {
    /** Probabilities of logits; finite for any finite input. */
    fun softmax(logits: FloatArray): DoubleArray {
        val largest = logits.max()
        val exponentials = DoubleArray(logits.size) { exp(logits[it].toDouble() - largest) }
        val sum = exponentials.sum()
        return DoubleArray(logits.size) { exponentials[it] / sum }
    }

    /** The probability of a logit by itself; no exponential overflows. */
    fun sigmoid(logit: Double): Double {
        val small = exp(-abs(logit))
        return (if (logit >= 0) 1.0 else small) / (1 + small)
    }

    /** The [count] best classes, best first; equal ones in the order of their indices. */
    fun of(outputs: FloatArray, labels: List<String>, scores: Scores, count: Int): List<ClassScore> {
        require(outputs.size == labels.size) { "${outputs.size} outputs for ${labels.size} labels" }
        val probabilities = when (scores) {
            Scores.PROBABILITIES -> DoubleArray(outputs.size) { outputs[it].toDouble() }
            Scores.LOGITS -> softmax(outputs)
            Scores.INDEPENDENT_LOGITS -> DoubleArray(outputs.size) { sigmoid(outputs[it].toDouble()) }
            Scores.FEATURES -> throw IllegalArgumentException("features are no classes")
        }
        return outputs.indices
            .sortedByDescending { outputs[it] }
            .take(count)
            .map { ClassScore(it, labels[it], outputs[it], probabilities[it]) }
    }
}
