package org.mobilevitedge.app

import android.content.Context
import android.content.res.Resources
import android.graphics.Canvas
import android.util.DisplayMetrics
import android.view.View
import java.awt.Color
import java.awt.image.BufferedImage
import java.io.File
import java.util.Base64
import javax.imageio.ImageIO
import kotlin.math.pow
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue
import org.json.JSONObject
import org.mobilevitedge.core.Area
import org.mobilevitedge.core.BundleStore
import org.mobilevitedge.core.ClassScore
import org.mobilevitedge.core.DetectedBox
import org.mobilevitedge.core.LegendRow
import org.mobilevitedge.core.Overlay
import org.mobilevitedge.core.Pixels
import org.mobilevitedge.core.Recognizer
import org.mobilevitedge.core.Shown
import org.mobilevitedge.onnx.OnnxClassifier

/** What the app's own views draw, with Java's graphics and fonts in place of Android's. */
class ViewsTest {
    private val vectors = File(System.getProperty("vectors") ?: error("-Dvectors=FOLDER is missing"))
    private val res = File(System.getProperty("res") ?: error("-Dres=FOLDER is missing"))
    private val pictures = File(System.getProperty("pictures") ?: error("-Dpictures=FOLDER is missing"))
    private val long = "a name that is much longer than any screen of a phone is wide, whatever its letters"

    /** A theme of the app: [folder] below its resources. */
    private inner class Theme(folder: String) {
        private val named = listOf("values", folder).flatMap { from ->
            Regex("""<color name="(\w+)">#(\w{6})</color>""").findAll(File(res, "$from/colors.xml").readText()).map { Pair(it.groupValues[1], Color(it.groupValues[2].toInt(16)).rgb) }
        }.toMap()
        private val numbers = R.color::class.java.fields.associate { Pair(it.getInt(null), named.getValue(it.name)) }
        val context = Context(numbers, Resources(DisplayMetrics(DENSITY), mapOf(R.string.sparkline to "%1\$d samples")))

        fun color(name: String): Int = named.getValue(name)

        fun paper(width: Int, height: Int) = BufferedImage(width, height, BufferedImage.TYPE_INT_RGB).apply {
            for (y in 0 until height) for (x in 0 until width) setRGB(x, y, color("surface"))
        }
    }

    private val themes = mapOf("light" to Theme("values"), "dark" to Theme("values-night"))
    private val light = themes.getValue("light")

    private fun drawn(view: View, theme: Theme = light): BufferedImage = theme.paper(view.width, view.height).also { view.draw(Canvas(it)) }

    private fun rows(count: Int, color: Int?) = List(count) { LegendRow(ClassScore(it, long, 1.0 - it / 100.0), color) }

    private fun luminance(color: Int): Double = Color(color).run {
        listOf(Pair(0.2126, red), Pair(0.7152, green), Pair(0.0722, blue)).sumOf { (weight, value) ->
            val part = value / 255.0
            weight * if (part <= 0.04045) part / 12.92 else ((part + 0.055) / 1.055).pow(2.4)
        }
    }

    private fun contrast(one: Int, other: Int): Double = listOf(luminance(one), luminance(other)).sorted().let { (dark, bright) -> (bright + 0.05) / (dark + 0.05) }

    @Test
    fun `letters can be read in both themes`() {
        for ((name, theme) in themes) {
            // WCAG 2.2, success criterion 1.4.3.
            for ((letters, below) in listOf(Pair("ink", "surface"), Pair("ink", "bar"), Pair("faint", "surface"), Pair("warning", "surface"))) {
                val found = contrast(theme.color(letters), theme.color(below))
                assertTrue(found >= 4.5, "$letters on $below, $name: $found")
            }
            assertTrue(contrast(theme.color("accent"), theme.color("surface")) >= 3)
        }
    }

    @Test
    fun `names can be read on any class's color`() {
        val steps = (0..255 step 15).toList()
        val worst = steps.minOf { red -> steps.minOf { green -> steps.minOf { blue ->
            val color = Color(red, green, blue).rgb
            contrast(color, if (Overlay.isBright(color)) Color.BLACK.rgb else Color.WHITE.rgb)
        } } }
        assertTrue(worst >= 4, "$worst")
    }

    @Test
    fun `a long name ends before the share, and twenty rows have room`() {
        for (color in listOf(null, 0x3366FF)) {
            val view = AnswerView(light.context, AnswerView.LEGEND).apply { show(rows(AnswerView.LEGEND, color)) }
            view.measure(WIDTH)
            val image = drawn(view)
            val row = view.height / AnswerView.LEGEND
            for (number in 0 until AnswerView.LEGEND) {
                // Between the name and the share is a gap of no letters in each row.
                val gaps = (WIDTH / 2 until WIDTH).count { x -> (number * row + row / 4 until (number + 1) * row - row / 4).none { y -> contrast(image.getRGB(x, y), light.color("ink")) < 3 } }
                assertTrue(gaps > 8 * DENSITY, "row $number: $gaps")
            }
        }
    }

    @Test
    fun `five rows have room before there is an answer`() {
        val view = AnswerView(light.context, AnswerView.LEAST)
        view.measure(WIDTH)
        val empty = view.height
        view.show(rows(AnswerView.LEAST, null))
        view.measure(WIDTH)
        assertEquals(empty, view.height)
        view.show(emptyList())
        assertTrue(drawn(view).run { (0 until height).all { getRGB(WIDTH / 3, it) == light.color("surface") } })
    }

    private fun overlay(isMirrored: Boolean, overlay: Overlay?): BufferedImage {
        val view = OverlayView(light.context).apply {
            this.isMirrored = isMirrored
            show(overlay)
            measure(200, 100)
        }
        return drawn(view)
    }

    @Test
    fun `a mask lies where its image does, turned around in a mirror, and goes`() {
        // Twice as high as wide: in the middle, 50 wide.
        val mask = Overlay(1, 2, intArrayOf(0x800000FF.toInt(), 0), emptyList())
        val image = overlay(false, mask)
        val blue = Color(image.getRGB(100, 20))
        assertTrue(blue.blue > 250 && blue.red in 120..135)
        assertEquals(light.color("surface"), image.getRGB(70, 20))
        assertEquals(light.color("surface"), image.getRGB(100, 90))
        val sides = Overlay(2, 1, intArrayOf(0xFF0000FF.toInt(), 0xFFFF0000.toInt()), emptyList())
        assertTrue(Color(overlay(false, sides).getRGB(10, 50)).blue > 200)
        assertTrue(Color(overlay(true, sides).getRGB(10, 50)).red > 200)
        val gone = overlay(false, null)
        assertTrue((0 until 200).all { gone.getRGB(it, 20) == light.color("surface") })
    }

    @Test
    fun `boxes lie where their objects do, the surest on top, and their names stay on the screen`() {
        fun box(color: Int, left: Double, right: Double) = Overlay.Box(DetectedBox(1, long, 0.9, Area(left, 0.0, right, 10.0)), color)
        val image = overlay(false, Overlay(20, 10, null, listOf(box(0x00AA00, 5.0, 15.0), box(0x0000FF, 5.0, 18.0))))
        // Ten times as large: lines at 50 and 150 of the surest, at 180 of the other.
        assertEquals(Color(0x00AA00), Color(image.getRGB(50, 60)))
        assertEquals(Color(0x00AA00), Color(image.getRGB(150, 60)))
        assertEquals(Color(0x0000FF), Color(image.getRGB(180, 60)))
        // The name's plate begins at the left edge, since it is wider than the screen.
        assertNotEquals(light.color("surface"), image.getRGB(2, 3))
        val mirrored = overlay(true, Overlay(20, 10, null, listOf(box(0x00AA00, 0.0, 5.0))))
        assertEquals(Color(0x00AA00), Color(mirrored.getRGB(150, 60)))
    }

    @Test
    fun `a sparkline stays inside of its view`() {
        for (samples in listOf(emptyList(), listOf(5L), List(1000) { if (it == 500) 9_000L else 1_000L + it % 7 })) {
            val view = SparklineView(light.context).apply {
                show(samples)
                measure(WIDTH)
            }
            val image = drawn(view)
            for (x in 0 until WIDTH) for (y in listOf(0, view.height - 1)) assertTrue(contrast(image.getRGB(x, y), light.color("surface")) < 1.5, "$x, $y")
        }
    }

    @Test
    fun `what is drawn is also said in words`() {
        val answers = AnswerView(light.context, AnswerView.LEAST).apply { show(listOf(LegendRow(ClassScore(1, "cat", 0.875), null))) }
        assertTrue(Regex("cat 87[.,]5 %").matches(answers.contentDescription!!))
        answers.show(emptyList())
        assertEquals("", answers.contentDescription)
        assertEquals("2 samples", SparklineView(light.context).apply { show(listOf(1, 2)) }.contentDescription)
    }

    @Test
    fun `pictures of answers in both themes`() {
        val photo = JSONObject(File(vectors, "photo.json").readText())
        val pixels = Pixels(photo.getInt("width"), photo.getInt("height"), Base64.getDecoder().decode(photo.getString("rgb")))
        pictures.mkdirs()
        for ((name, theme) in listOf(Pair("full_logits", "light"), Pair("decoded", "dark"))) {
            val found = Recognizer.open(BundleStore(File(vectors, "dense")).open(name)) { OnnxClassifier(it, threads = 1) }.use {
                it.show(it.recognize(pixels).finding, AnswerView.LEAST)
            }
            assertTrue(found.rows.isNotEmpty())
            val file = File(pictures, "$name-$theme.png")
            ImageIO.write(beside(pixels, found, themes.getValue(theme)), "png", file)
            assertTrue(file.length() > 10_000)
        }
    }

    /** A photo with its overlay, and the answer beside it, as a wide screen shows them. */
    private fun beside(photo: Pixels, found: Shown, theme: Theme): BufferedImage {
        val edge = (16 * DENSITY).toInt()
        val height = WIDTH * photo.height / photo.width
        val image = theme.paper(2 * WIDTH + 3 * edge, height + 2 * edge)
        val part = image.getSubimage(edge, edge, WIDTH, height)
        val source = BufferedImage(photo.width, photo.height, BufferedImage.TYPE_INT_RGB)
        for (y in 0 until photo.height) for (x in 0 until photo.width) {
            val at = (y * photo.width + x) * 3
            source.setRGB(x, y, Color(photo.rgb[at].toInt() and 0xff, photo.rgb[at + 1].toInt() and 0xff, photo.rgb[at + 2].toInt() and 0xff).rgb)
        }
        part.createGraphics().drawImage(source.getScaledInstance(WIDTH, height, java.awt.Image.SCALE_SMOOTH), 0, 0, null)
        val over = OverlayView(theme.context).apply {
            show(found.overlay)
            measure(WIDTH, height)
        }
        over.draw(Canvas(part))
        val answers = AnswerView(theme.context, AnswerView.LEAST).apply {
            show(found.rows)
            measure(WIDTH)
        }
        answers.draw(Canvas(image.getSubimage(2 * edge + WIDTH, edge, WIDTH, answers.height)))
        return image
    }

    private companion object {
        const val DENSITY = 1.25f
        const val WIDTH = 380
    }
}
