package org.mobilevitedge.core

/** From logits to the class of each pixel, as `masks.py` does it. */
object Masks {
    /**
     * The best class of each pixel of a mask of [height] x [width], the first of equal ones; a row at a time, since
     * logits of all classes at a photo's size would take hundreds of megabytes.
     *
     * [logits]: `[classes, head.height, head.width]`.
     */
    fun bestClasses(logits: FloatArray, classes: Int, head: Head.Masks, width: Int, height: Int): IntArray {
        val rows = Line.of(head.height, height, head)
        val columns = Line.of(head.width, width, head)
        val (above, below) = Pair(Widened(logits, classes, head, columns), Widened(logits, classes, head, columns))
        val labels = IntArray(width * height)
        val best = FloatArray(width)
        for (y in 0 until height) {
            val first = above.row(rows.left[y])
            val second = below.row(rows.right[y])
            for (kind in 0 until classes) {
                for (x in 0 until width) {
                    // Both directions in single precision, columns first, as NumPy's products.
                    val value = rows.near[y] * first[kind * width + x] + rows.far[y] * second[kind * width + x]
                    if (kind == 0 || value > best[x]) {
                        best[x] = value
                        labels[y * width + x] = kind
                    }
                }
            }
        }
        return labels
    }

    /** The best class of each place, the first of equal ones. `[classes, places] -> [places]` */
    fun best(logits: FloatArray, classes: Int): IntArray {
        val places = logits.size / classes
        return IntArray(places) { place ->
            var best = 0
            for (kind in 1 until classes) if (logits[kind * places + place] > logits[best * places + place]) best = kind
            best
        }
    }

    /** Each place takes the value at its corner, rounded down. `[fromHeight, fromWidth] -> [height, width]` */
    fun nearest(values: IntArray, fromWidth: Int, fromHeight: Int, width: Int, height: Int): IntArray {
        val result = IntArray(width * height)
        for (y in 0 until height) {
            val row = (y.toLong() * fromHeight / height).toInt() * fromWidth
            for (x in 0 until width) result[y * width + x] = values[row + (x.toLong() * fromWidth / width).toInt()]
        }
        return result
    }

    /** What each place of a resized line is made of: [near] times the value at [left] and [far] times that at [right]. */
    private class Line(val left: IntArray, val right: IntArray, val near: FloatArray, val far: FloatArray) {
        companion object {
            fun of(source: Int, target: Int, head: Head.Masks): Line {
                val isNearest = head.resize == MaskResize.HALF_PIXEL_NEAREST
                val middle = if (isNearest) source * head.stride else target
                val line = Line(IntArray(target), IntArray(target), FloatArray(target), FloatArray(target))
                for (index in 0 until target) {
                    // Choosing a class and choosing a neighbor may change places.
                    val step = if (isNearest) (index.toLong() * middle / target).toInt() else index
                    val place =
                        if (head.resize != MaskResize.ALIGNED) maxOf((step + 0.5) * source / middle - 0.5, 0.0)
                        else if (middle > 1) step * ((source - 1).toDouble() / (middle - 1)) else 0.0
                    val left = minOf(place.toInt(), source - 1)
                    line.left[index] = left
                    line.right[index] = minOf(left + 1, source - 1)
                    val isEdge = left == source - 1
                    line.near[index] = if (isEdge) 1f else (1 - (place - left)).toFloat()
                    line.far[index] = if (isEdge) 0f else (place - left).toFloat()
                }
                return line
            }
        }
    }

    /** One row of the logits of all classes at the mask's width; the last one is kept. */
    private class Widened(private val logits: FloatArray, private val classes: Int, private val head: Head.Masks, private val columns: Line) {
        private val width = columns.left.size
        private val values = FloatArray(classes * width)
        private var number = -1

        /** `[classes, width]`, until the next call. */
        fun row(wanted: Int): FloatArray {
            if (wanted == number) return values
            number = wanted
            for (kind in 0 until classes) {
                val start = (kind * head.height + wanted) * head.width
                for (x in 0 until width) {
                    values[kind * width + x] = logits[start + columns.left[x]] * columns.near[x] + logits[start + columns.right[x]] * columns.far[x]
                }
            }
            return values
        }
    }
}
