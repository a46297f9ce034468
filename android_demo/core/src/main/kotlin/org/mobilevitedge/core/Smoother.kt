package org.mobilevitedge.core

import kotlin.math.exp

/**
 * Probabilities of a moving picture, averaged over time: each frame's weight falls by e in
 * [SECONDS], however many frames come. A label that is best in one frame of many does not flicker.
 */
class Smoother {
    private var average: DoubleArray? = null
    private var lastNs = 0L

    /** The average with [probabilities] of a frame at [nowNs] in it. */
    fun add(probabilities: DoubleArray, nowNs: Long): DoubleArray {
        val before = average?.takeIf { it.size == probabilities.size }
        val kept = if (before == null) 0.0 else exp(-(nowNs - lastNs).coerceAtLeast(0) / (SECONDS * NS_PER_SECOND))
        val now = DoubleArray(probabilities.size) { kept * (before?.get(it) ?: 0.0) + (1 - kept) * probabilities[it] }
        average = now
        lastNs = nowNs
        return now.copyOf()
    }

    companion object {
        /** Long enough for the eye, short enough for a moving hand. */
        const val SECONDS = 0.4
        private const val NS_PER_SECOND = 1e9
    }
}
