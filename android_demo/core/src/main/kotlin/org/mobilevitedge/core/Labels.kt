package org.mobilevitedge.core

/** Class names from `labels.txt`: one a line, in the order of the outputs. */
object Labels {
    const val MAX_BYTES = 4L * 1024 * 1024

    /** @throws BundleException if a line is empty, or there are not [count] of them. */
    fun parse(text: String, count: Int): List<String> {
        val labels = text.removePrefix("\uFEFF").trimEnd().lines().map { it.trim() }
        val empty = labels.indexOf("")
        if (empty >= 0) throw BundleException("labels: line ${empty + 1} is empty")
        if (labels.size != count) throw BundleException("labels: ${labels.size} names for $count classes")
        return labels
    }
}
