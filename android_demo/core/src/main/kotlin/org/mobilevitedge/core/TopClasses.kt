package org.mobilevitedge.core

import kotlin.math.exp

/** One class of an answer: [value] is the model's output, [probability] its softmax. */
data class ClassScore(val index: Int, val label: String, val value: Float, val probability: Double)

object TopClasses {
    /** Probabilities of logits; finite for any finite input. */
    fun softmax(logits: FloatArray): DoubleArray {
        val largest = logits.max()
        val exponentials = DoubleArray(logits.size) { exp(logits[it].toDouble() - largest) }
        val sum = exponentials.sum()
        return DoubleArray(logits.size) { exponentials[it] / sum }
    }

    /** The [count] best classes, best first; equal ones in the order of their indices. */
    fun of(outputs: FloatArray, labels: List<String>, isSoftmax: Boolean, count: Int): List<ClassScore> {
        require(outputs.size == labels.size) { "${outputs.size} outputs for ${labels.size} labels" }
        val probabilities =
            if (isSoftmax) DoubleArray(outputs.size) { outputs[it].toDouble() } else softmax(outputs)
        return outputs.indices
            .sortedByDescending { outputs[it] }
            .take(count)
            .map { ClassScore(it, labels[it], outputs[it], probabilities[it]) }
    }
}
