package org.mobilevitedge.core

import kotlin.math.abs
import kotlin.math.exp

/** One class of an answer. */
data class ClassScore(val index: Int, val label: String, val probability: Double)

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

    /** What [scores] make of a model's outputs. */
    fun probabilities(outputs: FloatArray, scores: Scores): DoubleArray = when (scores) {
        Scores.PROBABILITIES -> DoubleArray(outputs.size) { outputs[it].toDouble() }
        Scores.LOGITS -> softmax(outputs)
        Scores.INDEPENDENT_LOGITS -> DoubleArray(outputs.size) { sigmoid(outputs[it].toDouble()) }
        Scores.FEATURES, Scores.OF_A_HEAD -> throw IllegalArgumentException("features are no classes")
    }

    /** The [count] best classes, best first; equal ones in the order of their indices. */
    fun of(probabilities: DoubleArray, labels: List<String>, count: Int): List<ClassScore> {
        require(probabilities.size == labels.size) { "${probabilities.size} probabilities for ${labels.size} labels" }
        return probabilities.indices
            .sortedByDescending { probabilities[it] }
            .take(count)
            .map { ClassScore(it, labels[it], probabilities[it]) }
    }
}
