package android.graphics

import java.awt.BasicStroke
import java.awt.Color
import java.awt.Font
import java.awt.Graphics2D
import java.awt.RenderingHints
import java.awt.Shape
import java.awt.font.FontRenderContext
import java.awt.geom.AffineTransform
import java.awt.geom.Path2D
import java.awt.geom.Rectangle2D
import java.awt.geom.RoundRectangle2D
import java.awt.image.BufferedImage

// The calls with which the app's views draw, on Java's own two-dimensional graphics.

class Rect

class RectF {
    var left = 0f
    var top = 0f
    var right = 0f
    var bottom = 0f

    fun set(left: Float, top: Float, right: Float, bottom: Float) {
        this.left = left
        this.top = top
        this.right = right
        this.bottom = bottom
    }
}

class Path {
    internal val lines = Path2D.Float()

    fun rewind() = lines.reset()

    fun moveTo(x: Float, y: Float) = lines.moveTo(x, y)

    fun lineTo(x: Float, y: Float) = lines.lineTo(x, y)
}

class Bitmap private constructor(internal val image: BufferedImage) {
    enum class Config { ARGB_8888 }

    companion object {
        fun createBitmap(colors: IntArray, width: Int, height: Int, config: Config): Bitmap {
            check(config == Config.ARGB_8888)
            return Bitmap(BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB).apply { setRGB(0, 0, width, height, colors, 0, width) })
        }
    }
}

class Paint(@Suppress("unused") val flags: Int = 0) {
    enum class Style { FILL, STROKE }

    enum class Join { MITER, ROUND }

    var strokeJoin = Join.MITER
    var color = 0
    var style = Style.FILL
    var strokeWidth = 0f
    var textSize = 12f

    internal val font: Font
        get() = Font(Font.SANS_SERIF, Font.PLAIN, 1).deriveFont(textSize)

    val fontSpacing: Float
        get() = font.getLineMetrics("Äg", CONTEXT).height

    fun ascent(): Float = -font.getLineMetrics("Äg", CONTEXT).ascent

    fun descent(): Float = font.getLineMetrics("Äg", CONTEXT).descent

    fun measureText(text: String): Float = font.getStringBounds(text, CONTEXT).width.toFloat()

    /** How many characters from the first on are no wider than [most]. */
    fun breakText(text: String, forwards: Boolean, most: Float, measured: FloatArray?): Int {
        check(forwards && measured == null)
        return text.indices.count { measureText(text.take(it + 1)) <= most }
    }

    companion object {
        const val ANTI_ALIAS_FLAG = 1
        const val FILTER_BITMAP_FLAG = 2
        private val CONTEXT = FontRenderContext(AffineTransform(), true, true)
    }
}

class Canvas(image: BufferedImage) {
    private val graphics: Graphics2D = image.createGraphics().apply {
        setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON)
        setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON)
        // Lines where they are asked for, not moved to whole pixels.
        setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE)
        setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR)
    }
    private val saved = ArrayDeque<AffineTransform>()

    fun save(): Int = saved.size.also { saved.addLast(graphics.transform) }

    fun restore() {
        graphics.transform = saved.removeLast()
    }

    fun scale(x: Float, y: Float, aboutX: Float, aboutY: Float) {
        graphics.translate(aboutX.toDouble(), aboutY.toDouble())
        graphics.scale(x.toDouble(), y.toDouble())
        graphics.translate(-aboutX.toDouble(), -aboutY.toDouble())
    }

    fun drawBitmap(bitmap: Bitmap, source: Rect?, place: RectF, paint: Paint?) {
        check(source == null && paint != null)
        val (across, down) = Pair(place.right - place.left, place.bottom - place.top)
        val transform = AffineTransform(across / bitmap.image.width, 0f, 0f, down / bitmap.image.height, place.left, place.top)
        graphics.drawImage(bitmap.image, transform, null)
    }

    fun drawRect(place: RectF, paint: Paint) = drawRect(place.left, place.top, place.right, place.bottom, paint)

    fun drawRect(left: Float, top: Float, right: Float, bottom: Float, paint: Paint) =
        draw(Rectangle2D.Float(left, top, right - left, bottom - top), paint)

    fun drawRoundRect(place: RectF, x: Float, y: Float, paint: Paint) =
        draw(RoundRectangle2D.Float(place.left, place.top, place.right - place.left, place.bottom - place.top, 2 * x, 2 * y), paint)

    fun drawPath(path: Path, paint: Paint) = draw(path.lines, paint)

    fun drawText(text: String, x: Float, y: Float, paint: Paint) {
        graphics.color = Color(paint.color, true)
        graphics.font = paint.font
        graphics.drawString(text, x, y)
    }

    private fun draw(shape: Shape, paint: Paint) {
        graphics.color = Color(paint.color, true)
        graphics.stroke = BasicStroke(paint.strokeWidth, BasicStroke.CAP_BUTT, if (paint.strokeJoin == Paint.Join.ROUND) BasicStroke.JOIN_ROUND else BasicStroke.JOIN_MITER)
        if (paint.style == Paint.Style.STROKE) graphics.draw(shape) else graphics.fill(shape)
    }
}
