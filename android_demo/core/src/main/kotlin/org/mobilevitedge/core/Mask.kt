package org.mobilevitedge.core

/** The class of each pixel of an image, [NOT_SEEN] where the model has not looked: [height] rows of [width]. */
class Mask(val width: Int, val height: Int, val labels: IntArray) {
    init {
        require(labels.size == width * height) { "${labels.size} labels for $width x $height" }
    }

    /** The classes in it with their shares of what the model has seen, the largest first. */
    fun shares(names: List<String>): List<ClassScore> {
        val counts = IntArray(names.size)
        for (label in labels) if (label >= 0) counts[label]++
        val seen = counts.sum().toDouble()
        return counts.indices.filter { counts[it] > 0 }.sortedByDescending { counts[it] }.map { ClassScore(it, names[it], counts[it] / seen) }
    }

    /** Its pixels as `0xAARRGGBB` in [colors] of the classes, half transparent; what was not seen is left alone. */
    fun argb(colors: List<Int>): IntArray = IntArray(labels.size) { index -> labels[index].let { if (it < 0) 0 else HALF or colors[it] } }

    companion object {
        const val NOT_SEEN = -1

        /** As the pictures of `mobilevit-predict --overlay`. */
        private const val HALF = 0x80 shl 24
    }
}
