package org.mobilevitedge.core

/** Class names from `labels.txt`: one a line, in the order of the outputs. */
object Labels {
    const val MAX_BYTES = 4L * 1024 * 1024

    /** Characters of a name. */
    const val LONGEST = 1000

    /** What some programs take for the end of a line, and half characters. */
    private val ODD = setOf(CharCategory.CONTROL, CharCategory.LINE_SEPARATOR, CharCategory.PARAGRAPH_SEPARATOR)

    /**
     * A line ends with a line feed and nothing else, on every system.
     *
     * @throws BundleException if a line is empty, long, odd or twice there, or there are not [count] of them.
     */
    fun parse(text: String, count: Int): List<String> {
        val labels = text.removePrefix("\uFEFF").trimEnd().split('\n').map { it.trim() }
        val empty = labels.indexOf("")
        if (empty >= 0) throw BundleException("labels: line ${empty + 1} is empty")
        for ((index, label) in labels.withIndex()) {
            if (label.codePointCount(0, label.length) > LONGEST) throw BundleException("labels: line ${index + 1} is too long")
            if (label.any { it.category in ODD }) throw BundleException("labels: line ${index + 1} holds a control character")
        }
        if (labels.toSet().size != labels.size) throw BundleException("labels: a name stands there twice")
        if (labels.size != count) throw BundleException("labels: ${labels.size} names for $count classes")
        return labels
    }
}
