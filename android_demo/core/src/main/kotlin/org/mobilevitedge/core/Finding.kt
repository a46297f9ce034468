package org.mobilevitedge.core

/** What a model says of one image of [width] x [height]. */
sealed class Finding {
    /** Probabilities of all classes. */
    class Classes(val probabilities: DoubleArray) : Finding()

    /** The class of each pixel. */
    class Regions(val mask: Mask) : Finding()

    /** Objects in an image of [width] x [height], the surest first. */
    class Objects(val width: Int, val height: Int, val boxes: List<DetectedBox>) : Finding()
}

/** A line beside an image: a class, and in which color it is drawn over the image; null if it is not. */
data class LegendRow(val score: ClassScore, val color: Int?)

/** What a screen shows of a [Finding]: lines of text, and what is drawn over the image. */
class Shown(val rows: List<LegendRow>, val overlay: Overlay?) {
    companion object {
        val NOTHING = Shown(emptyList(), null)
    }
}

/** What is drawn over an image whose proportions are [width] to [height]: a mask's pixels as `0xAARRGGBB`, or boxes. */
class Overlay(val width: Int, val height: Int, val mask: IntArray?, val boxes: List<Box>) {
    class Box(val box: DetectedBox, val color: Int)

    companion object {
        /** The least probability of a box that is drawn: hundreds of unlikely ones would hide the image. */
        const val SURE = 0.3

        /** Of boxes that are drawn. */
        const val MOST = 100

        /** Whether dark letters are read better on a color than light ones: by WCAG's luminance, with squares for its curve. */
        fun isBright(color: Int): Boolean {
            val (red, green, blue) = listOf(color shr 16, color shr 8, color).map { (it and 0xff) / 255.0 }
            return 0.2126 * red * red + 0.7152 * green * green + 0.0722 * blue * blue > BRIGHT
        }

        private const val BRIGHT = 0.2
    }
}
