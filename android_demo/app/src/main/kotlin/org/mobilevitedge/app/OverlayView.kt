package org.mobilevitedge.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.view.View
import java.util.Locale
import org.mobilevitedge.core.Area
import org.mobilevitedge.core.Overlay

/**
 * A mask or boxes over an image of the same proportions that another view shows whole in its middle. [isMirrored]: that
 * view shows the image as in a mirror.
 */
class OverlayView(context: Context) : View(context) {
    private val density = resources.displayMetrics.density
    private val fill = Paint(Paint.FILTER_BITMAP_FLAG)
    private val line = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        style = Paint.Style.STROKE
        strokeWidth = 2.5f * density
    }
    private val plate = Paint()
    private val text = Paint(Paint.ANTI_ALIAS_FLAG).apply { textSize = 13 * resources.displayMetrics.scaledDensity }
    private val place = RectF()
    private var overlay: Overlay? = null
    private var mask: Bitmap? = null

    var isMirrored = false

    /** Draw this from now on; nothing if it is null. */
    fun show(overlay: Overlay?) {
        this.overlay = overlay
        mask = overlay?.mask?.let { Bitmap.createBitmap(it, overlay.width, overlay.height, Bitmap.Config.ARGB_8888) }
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val shown = overlay ?: return
        val area = Area.fitting(shown.width, shown.height, width, height)
        canvas.save()
        if (isMirrored) canvas.scale(-1f, 1f, width / 2f, 0f)
        mask?.let {
            put(area)
            canvas.drawBitmap(it, null, place, fill)
        }
        canvas.restore()
        // The surest last, on top of the others.
        for (found in shown.boxes.asReversed()) {
            put(found.box.area.shown(area, shown.width).let { if (isMirrored) it.mirrored(width) else it })
            draw(canvas, found)
        }
    }

    private fun put(area: Area) = place.set(area.left.toFloat(), area.top.toFloat(), area.right.toFloat(), area.bottom.toFloat())

    /** A box in [place], its name on a plate inside of its upper edge or above it. */
    private fun draw(canvas: Canvas, found: Overlay.Box) {
        line.color = OPAQUE or found.color
        canvas.drawRect(place, line)
        val name = String.format(Locale.getDefault(), "%.0f %% %s", found.box.probability * 100, found.box.label.take(LONGEST))
        val top = maxOf(place.top - text.fontSpacing, 0f)
        val wide = text.measureText(name) + 8 * density
        val left = place.left.coerceIn(0f, maxOf(0f, width - wide))
        plate.color = OPAQUE or found.color
        canvas.drawRect(left, top, left + wide, top + text.fontSpacing, plate)
        text.color = if (Overlay.isBright(found.color)) BLACK else WHITE
        canvas.drawText(name, left + 4 * density, top - text.ascent(), text)
    }

    private companion object {
        const val OPAQUE = 0xFF shl 24
        const val BLACK = OPAQUE
        const val WHITE = -1
        const val LONGEST = 40
    }
}
